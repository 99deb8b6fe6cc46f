// One worker of the bench: runs of one row, seed by seed.
import { parentPort } from 'node:worker_threads';
import { drive, type Run } from './drive.ts';
import { BAD_ROWS, type BadRow, ROWS, type Row } from './rows.ts';

export type Task = {
  readonly kind: 'good' | 'bad';
  /** Index into `ROWS` or `BAD_ROWS`. */
  readonly row: number;
  /** The first run, and how many. */
  readonly from: number;
  readonly runs: number;
};

/** `faults` are those of the candidate's servers in the run. */
export type TaskResult = { readonly task: Task; readonly runs: readonly (Run & { readonly faults: number })[] };

/** The seed of a run: no two rows share one. */
export function seedOf({ kind, row }: Pick<Task, 'kind' | 'row'>, run: number): number {
  return (row + (kind === 'good' ? 0 : 1000)) * 100_003 + run * 7919 + 1;
}

export function runGood(row: Row, seed: number): Run & { readonly faults: number } {
  const { spec, share, hours, isPromoted, gatewayRestarts, faults } = row;
  const run = drive(
    {
      spec,
      share,
      seconds: hours * 3600,
      ...(isPromoted === undefined ? {} : { isPromoted }),
      ...(gatewayRestarts === undefined ? {} : { gatewayRestarts }),
    },
    seed,
  );
  return { ...run, faults: faults?.(seed) ?? 0 };
}

export function runBad({ spec, share, healthyS, limitS, endedWithinS }: BadRow, seed: number): Run {
  const isFree = ({ phase }: { readonly phase: { readonly name: string } }, at: number) =>
    endedWithinS === undefined && phase.name === 'suspended' && at >= healthyS;
  const areFew = spec.callers !== 'random' && spec.callers.count <= 50;
  return drive({ spec, share, seconds: healthyS + limitS, ...(areFew ? {} : { until: isFree }) }, seed);
}

parentPort?.on('message', (task: Task) => {
  const runs = Array.from({ length: task.runs }, (_, i) => {
    const seed = seedOf(task, task.from + i);
    if (task.kind === 'good') return runGood(ROWS[task.row] as Row, seed);
    return { ...runBad(BAD_ROWS[task.row] as BadRow, seed), faults: 0 };
  });
  parentPort?.postMessage({ task, runs } satisfies TaskResult);
});
