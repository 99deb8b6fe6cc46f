// Comparisons and their summaries as people read them in a terminal. Names and values come from servers and callers, so
// control characters, with which a terminal could be steered, are shown and not sent.
import type { SubjectSummary, Summaries } from '../../admin/comparisons.ts';
import type { Comparison, FieldComparison } from '../../compare/comparison.ts';
import type { FieldSummary, Summary } from '../../compare/summary.ts';
import type { Rate } from '../../statistics/proportion.ts';
import { countText } from '../text/amounts.ts';
import { table } from '../text/table.ts';

const MOST_FIELDS = 3;
const MOST_FLIPS = 5;

/** One comparison as the cells of a row. */
export function comparisonLine(comparison: Comparison): readonly string[] {
  const { at, kind, model, shadow, baseline, candidate, fields, reason, id } = comparison;
  const difference = candidate.latencyMs - baseline.latencyMs;
  return [
    new Date(at).toISOString(),
    kind,
    `${model}/${shadow}`,
    `${baseline.version}|${candidate.version}`,
    reason ??
      statusText(comparison) ??
      (fields
        .filter(({ same }) => !same)
        .slice(0, MOST_FIELDS)
        .map(fieldText)
        .join(', ') ||
        '-'),
    `${difference > 0 ? '+' : ''}${difference.toFixed(1)}ms`,
    id,
  ].map(plain);
}

/** Rows in columns. */
export function comparisonTable(rows: readonly (readonly string[])[]): string {
  return table(rows);
}

/** Summaries, one paragraph a shadow. */
export function summaryText({ since, until, subjects }: Summaries): string {
  const range = `${new Date(since).toISOString()} to ${new Date(until).toISOString()}`;
  if (subjects.length === 0) return `no comparisons from ${range}`;
  return [`comparisons from ${range}`, ...subjects.map(subjectText)].join('\n\n');
}

function subjectText({ subject, summary }: SubjectSummary): string {
  const { model, shadow, baseline, candidate } = subject;
  const lines = [
    plain(`${model}/${shadow}: ${candidate} beside ${baseline}`),
    `  ${verdictText(summary)}`,
    table(kindRows(summary), 1),
    ...latencyLines(summary),
    ...summary.fields.flatMap(fieldLines),
    ...restLines(summary),
  ];
  return lines.join('\n');
}

const VERDICTS = {
  yes: 'differs beyond noise',
  no: 'no difference beyond noise',
  unclear: 'differs more than the noise floor, on too little data to be sure',
  unmeasured: 'differs; the noise floor is not measured',
  nothing_compared: 'no pair could be compared',
} as const;

function verdictText({ beyondNoise, disagreement, noise }: Summary): string {
  const floor = noise.of === 0 ? 'no noise floor' : `noise floor ${rateText(noise)}`;
  return `${VERDICTS[beyondNoise]}: ${rateText(disagreement)} of the pairs differ; ${floor}`;
}

function kindRows({ kinds, pairs, candidateErrors }: Summary): string[][] {
  const errors = Object.entries(candidateErrors).map(([name, count]) => `${plain(name)} ${countText(count)}`);
  return [
    ['pairs', countText(pairs), ''],
    ...Object.entries(kinds).map(([kind, count]) => [
      kind,
      countText(count ?? 0),
      kind === 'candidate_error' ? errors.join(', ') : '',
    ]),
  ];
}

function latencyLines({ latency }: Summary): string[] {
  if (latency?.medianDifferenceMs === undefined) return [];
  const { medianDifferenceMs: median, baselineMeanMs, candidateMeanMs } = latency;
  const means = `means ${baselineMeanMs.toFixed(2)} and ${candidateMeanMs.toFixed(2)} ms`;
  return [`  latency: ${median >= 0 ? '+' : ''}${median.toFixed(2)} ms for the middle pair; ${means}`];
}

/** Fields of answers, and values of headers, beyond those that are listed. */
function restLines({ otherFields: { compared, differing }, otherSlices }: Summary): string[] {
  const slices = otherSlices.map(
    ({ name, disagreement }) =>
      `  further values of ${plain(name)}, counted together: ${rateText(disagreement)} differ`,
  );
  if (compared === 0) return slices;
  return [`  further fields, counted together: ${countText(differing)} of ${countText(compared)} differ`, ...slices];
}

function fieldLines({ field, as, raw, noise, beyondNoise, classification, limits }: FieldSummary): string[] {
  const floor = noise.of === 0 ? '' : `, noise ${rateText(noise)}`;
  const lines = [`  ${plain(field)} (${as}): ${rateText(raw)} differ${floor}; beyond noise: ${beyondNoise}`];
  if (limits !== undefined)
    lines.push(`    bias ${short(limits.bias)}, limits of agreement ${short(limits.low)} to ${short(limits.high)}`);
  if (classification !== undefined) {
    const { flips, kappa, flipped } = classification;
    lines.push(
      `    flips ${rateText(flips)} of the rows, kappa ${kappa === undefined ? 'undefined' : kappa.toFixed(4)}`,
    );
    for (const { baseline, candidate, rows } of flipped.slice(0, MOST_FLIPS))
      lines.push(plain(`    ${baseline} -> ${candidate}: ${countText(rows)}`));
  }
  return lines;
}

/** `7.1 % (6.9 to 7.4, 712 of 10,000)`. */
function rateText({ rate, low, high, count, of }: Rate): string {
  const percent = (share: number) => (share * 100).toFixed(share < 0.01 ? 2 : 1);
  return `${percent(rate)} % (${percent(low)} to ${percent(high)}, ${countText(count)} of ${countText(of)})`;
}

function statusText({ kind, baseline, candidate }: Comparison): string | undefined {
  const said = ({ status, fault }: Comparison['baseline']) => fault ?? String(status);
  return kind.endsWith('_error') ? `${said(baseline)}|${said(candidate)}` : undefined;
}

function fieldText(found: FieldComparison): string {
  if (found.as !== 'classification') return `${found.field} ${short(found.distance)}`;
  const flips = found.cells.filter(([from, to]) => from !== to).slice(0, 2);
  return `${found.field} ${flips.map(([from, to]) => `${from} -> ${to}`).join(' ') || short(found.distance)}`;
}

function short(value: number): string {
  return String(+value.toPrecision(4));
}

function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
