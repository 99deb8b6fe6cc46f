// The result of a run as text: a table that Markdown shows as it is, and the promises.
import type { Round } from './round.ts';
import { median } from './statistics.ts';
import { PROMISED_ADDED_P50_MS, PROMISES, REFERENCES } from './targets.ts';

/** Rounds by the name of what was measured: every list is equally long, and the same place means the same round. */
export type Results = ReadonlyMap<string, readonly Round[]>;

/** A load and a backend that cost more a request than the target does leave it idle: its throughput is at least this. */
const BUSY = 0.9;

/** One row a target, medians over the rounds; a ratio is the median of the rounds' own. */
export function tableOf(results: Results): string {
  const references = REFERENCES.filter((name) => results.has(name));
  const header = [
    'proxy',
    'CPU us/request (range)',
    'at one connection',
    'requests/s',
    'added p50 ms',
    'added p99 ms',
    'memory MiB',
    ...references.map((name) => `x ${name}`),
  ];
  const rows = [...results].map(([name, rounds]) => [
    name,
    ...figures(rounds),
    ...references.map((reference) => ratio(results, name, reference).toFixed(2)),
  ]);
  return markdown([header, ...rows]);
}

/** A line for each promise that this run could check. */
export function promisesOf(results: Results): string {
  const kept = (figure: number, atMost: number) => (figure <= atMost ? 'kept' : 'MISSED');
  const ratios = PROMISES.filter(({ target, reference }) => results.has(target) && results.has(reference)).map(
    ({ target, reference, atMost, goal }) => {
      const [figure, alone] = [ratio(results, target, reference), ratio(results, target, reference, 'cpuMicrosAlone')];
      return `${kept(figure, atMost)}: ${target}, ${figure.toFixed(2)} x ${reference} (at most ${atMost}, goal ${goal}); ${alone.toFixed(2)} x at one connection`;
    },
  );
  const added = [...results]
    .filter(([name]) => name.startsWith('sluice'))
    .map(([name, rounds]) => {
      const figure = median(rounds.map(({ addedP50Ms }) => addedP50Ms));
      return `${kept(figure, PROMISED_ADDED_P50_MS)}: ${name}, p50 ${figure.toFixed(2)} ms added (at most ${PROMISED_ADDED_P50_MS})`;
    });
  return [...ratios, ...added].join('\n');
}

/** What load and backend cost themselves: what the throughput of a cheaper proxy is bound by. */
export function aroundOf(results: Results): string {
  const all = [...results.values()].flat().map(({ aroundMicros }) => aroundMicros);
  return `load and backend together: ${median(all).toFixed(0)} us a request; ">" marks a proxy that was less than ${BUSY * 100} % of a CPU busy, so not at its limit`;
}

function figures(rounds: readonly Round[]): string[] {
  const costs = rounds.map(({ cpuMicros }) => cpuMicros);
  const isBusy = median(rounds.map(({ busy }) => busy)) >= BUSY;
  return [
    `${median(costs).toFixed(1)} (${Math.min(...costs).toFixed(0)}-${Math.max(...costs).toFixed(0)})`,
    median(rounds.map(({ cpuMicrosAlone }) => cpuMicrosAlone)).toFixed(0),
    `${isBusy ? '' : '>'}${median(rounds.map(({ perSecond }) => perSecond)).toFixed(0)}`,
    median(rounds.map(({ addedP50Ms }) => addedP50Ms)).toFixed(2),
    median(rounds.map(({ addedP99Ms }) => addedP99Ms)).toFixed(2),
    median(rounds.map(({ residentMiB }) => residentMiB)).toFixed(0),
  ];
}

function ratio(
  results: Results,
  name: string,
  reference: string,
  cost: 'cpuMicros' | 'cpuMicrosAlone' = 'cpuMicros',
): number {
  const references = results.get(reference) ?? [];
  return median((results.get(name) ?? []).map((round, i) => round[cost] / (references[i]?.[cost] ?? Number.NaN)));
}

function markdown(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(rows[0] ?? []), line(widths.map((width) => '-'.repeat(width))), ...rows.slice(1).map(line)].join('\n');
}
