// A ladder of tiers: who answers, what it saves, and how far its claims of confidence can be trusted.
import { type Child, el, percent, tableOf } from './dom.ts';
import type { LadderStanding, TierReport } from './types.ts';

const IGNORED = {
  other_file: 'ignored: the server has another model file than the one it was fitted on. Tune again.',
  unknown_file: 'ignored: the server has not told which model file it has.',
} as const;

export function ladderLines(
  tiers: Readonly<Record<string, string>>,
  ladder: LadderStanding | undefined,
  reports: readonly TierReport[],
): Child[] {
  const names = Object.entries(tiers).map(([tier, model]) => `${tier} (${model})`);
  const lines: Child[] = [el('p', {}, `Tiers ${names.join(' → ')}`)];
  if (ladder === undefined) return [...lines, el('p', { class: 'quiet' }, 'No request yet.')];
  return [
    ...lines,
    answersTable(Object.keys(tiers), ladder),
    el('p', {}, `Passed on: ${countsOf(ladder.escalations)}`),
    el('p', {}, `Degraded: ${countsOf(ladder.degraded)}`),
    ...costLines(ladder),
    ...alarms(ladder),
    ...reports.flatMap(calibrationLines),
  ];
}

function answersTable(tiers: readonly string[], { answers, requests }: LadderStanding): HTMLElement {
  const rows = tiers.map((tier) => [tier, answers[tier] ?? 0, percent((answers[tier] ?? 0) / Math.max(1, requests))]);
  return tableOf(['tier', 'answers', 'share'], rows, 'answers by tier');
}

function costLines({ cost, groups }: LadderStanding): Child[] {
  if (cost === undefined || cost.alwaysLast === 0) return [];
  const rows = Object.entries(groups).map(([group, { requests, spent, alwaysLast }]) => [
    group,
    requests,
    spent.toFixed(2),
    percent(alwaysLast === 0 ? 0 : spent / alwaysLast),
  ]);
  return [
    el('p', {}, `Cost ${percent(cost.spent / cost.alwaysLast)} of always asking the last tier`),
    rows.length > 1
      ? tableOf(['callers', 'requests', 'spent', 'of always the last'], rows, 'cost by group of callers')
      : undefined,
  ];
}

function alarms({ isAlarmed, isDrifting, wantedShare, expectedShare, calibrations }: LadderStanding): Child[] {
  const share = percent(wantedShare);
  return [
    isAlarmed
      ? el('p', { class: 'bad' }, `${share} of the last requests wanted to go up: a tier has lost its confidence`)
      : undefined,
    isDrifting && expectedShare !== undefined
      ? el(
          'p',
          { class: 'warn' },
          `${share} of the last requests wanted to go up, ${percent(expectedShare)} were expected: the inputs or a model have changed. Tune again.`,
        )
      : undefined,
    ...Object.entries(calibrations).map(([tier, standing]) =>
      standing === 'applied'
        ? el('p', { class: 'quiet' }, `The calibration of ${tier} is applied.`)
        : el('p', { class: 'warn' }, `The calibration of ${tier} is ${IGNORED[standing]}`),
    ),
  ];
}

/** Claimed beside right, as a curve in a table: a bar for each, so that a glance finds where they part. */
function calibrationLines(report: TierReport): Child[] {
  const { tier, last } = report;
  if ('why' in report) return [el('p', { class: 'quiet' }, `Confidence of ${tier}: no curve, for ${report.why}.`)];
  const { claimed, calibrated } = report;
  const shown = calibrated ?? claimed;
  const rows = shown.bins.map(({ confidence, right, count }) => [
    percent(confidence),
    meter(right, `${percent(right)} agreed with ${last}`),
    percent(right),
    count,
  ]);
  const was = calibrated === undefined ? '' : ` (uncalibrated ${percent(claimed.ece)})`;
  return [
    el('p', {}, `Confidence of ${tier}: calibration error ${percent(shown.ece)}${was} over ${shown.count} pairs`),
    tableOf(
      [calibrated === undefined ? 'claimed' : 'calibrated', '', `agrees with ${last}`, 'pairs'],
      rows,
      `calibration curve of ${tier}`,
    ),
  ];
}

function meter(value: number, label: string): HTMLElement {
  return el('meter', { min: 0, max: 1, value, 'aria-label': label });
}

function countsOf(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([what, count]) => `${what} ${count}`)
    .join(', ');
}
