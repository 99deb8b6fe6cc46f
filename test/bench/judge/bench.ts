// `npm run bench -- judge`: what the judge makes of good candidates in worlds that are not simple, and how soon it takes callers
// away from bad ones. By simulation with fixed seeds that drives the real judge; two runs print the same. `SIMULATIONS=0.1` runs
// a tenth of them, `LONG_SIMULATIONS=0.1` a tenth of those that last for hours. Results that were kept: test/bench/RESULTS.md.
import { Worker } from 'node:worker_threads';
import type { Task, TaskResult } from './bench-worker.ts';
import { intervalOf } from './interval.ts';
import { BAD_ROWS, ROWS } from './rows.ts';

const FACTOR = Number(process.env.SIMULATIONS ?? 1);
const LONG_FACTOR = Number(process.env.LONG_SIMULATIONS ?? 1);
/** Runs of a good row, and of a bad one: many gateways take their time, and healthy hours at many gateways more. */
const BAD_RUNS = { one: runs(100), many: runs(40), long: runs(6) } as const;
/** Runs that a worker takes at once: the last ones should not leave the other workers idle. */
const BATCH = 10;
const WORKERS = 2;

/** Two tables in Markdown. */
export async function benchJudge(onProgress: (text: string) => void = () => {}): Promise<string> {
  const tasks = [
    ...ROWS.flatMap((good, row) => batches(goodRuns(good)).map((runs) => ({ kind: 'good' as const, row, ...runs }))),
    ...BAD_ROWS.flatMap(({ suspended, endedWithinS }, row) =>
      suspended === undefined && endedWithinS === undefined
        ? []
        : batches(badRuns(row)).map((runs) => ({ kind: 'bad' as const, row, ...runs })),
    ),
  ];
  const results = await runAll(tasks, onProgress);
  return [
    `versions that are alike; in brackets the 95 % interval (Clopper-Pearson)\n`,
    table(
      [
        'world',
        'hours',
        'ended',
        'suspensions a run',
        'faults a run',
        'suspended too often',
        'held',
        'away',
        'probing',
        'holds',
      ],
      goodLines(results),
    ),
    `\nbad candidates at a share of 5 %, 100 requests a second, ${BAD_RUNS.one} runs a row, ${BAD_RUNS.many} with 10 gateways, ${BAD_RUNS.long} with 10 gateways after 6 hours: seconds, median (90 %)\n`,
    table(['candidate', 'suspended', 'promised', 'ended', 'promised', 'held', 'holds'], badLines(results)),
  ].join('\n');
}

function runs(count: number): number {
  return Math.max(2, Math.round(count * FACTOR));
}

/** Runs of a row of versions that are alike. */
function goodRuns({ hours }: (typeof ROWS)[number]): number {
  return runs(hours > 2 ? 200 * LONG_FACTOR : 200);
}

function badRuns(row: number): number {
  const { healthyS = 0, spec } = BAD_ROWS[row] ?? {};
  if ((spec?.gateways?.count ?? 1) === 1) return BAD_RUNS.one;
  return healthyS > 0 ? BAD_RUNS.long : BAD_RUNS.many;
}

function batches(runs: number): { readonly from: number; readonly runs: number }[] {
  return Array.from({ length: Math.ceil(runs / BATCH) }, (_, i) => ({
    from: i * BATCH,
    runs: Math.min(BATCH, runs - i * BATCH),
  }));
}

/** Deals the tasks to workers; each takes the next one when it is done. */
async function runAll(tasks: readonly Task[], onProgress: (text: string) => void): Promise<readonly TaskResult[]> {
  const results: TaskResult[] = [];
  let next = 0;
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL('./bench-worker.js', import.meta.url));
      const give = () => {
        const task = tasks[next++];
        if (task !== undefined) return worker.postMessage(task);
        void worker.terminate();
        return resolve();
      };
      worker.on('message', (result: TaskResult) => {
        results.push(result);
        if (results.length % 20 === 0) onProgress(`${results.length} of ${tasks.length} batches`);
        give();
      });
      worker.on('error', reject);
      give();
    });
  await Promise.all(Array.from({ length: WORKERS }, work));
  return results;
}

function goodLines(results: readonly TaskResult[]): string[][] {
  return ROWS.map(({ name, hours }, row) => {
    const runs = runsOf(results, 'good', row);
    const seconds = runs.length * hours * 3600;
    const ended = runs.filter(({ endedAt }) => endedAt !== undefined).length;
    const suspensions = sum(runs.map(({ suspendedAt }) => suspendedAt.length)) / runs.length;
    const faults = sum(runs.map((run) => run.faults)) / runs.length;
    const [away, probing] = [sum(runs.map((run) => run.away)) / seconds, sum(runs.map((run) => run.probing)) / seconds];
    const held = runs.filter(({ heldAt }) => heldAt !== undefined).length;
    // One for each fault of its servers, and one a day.
    const over = runs.filter((run) => run.suspendedAt.length > run.faults + 1).length;
    const few = Math.max(1, runs.length / 100);
    const holds = ended <= few && over + held <= few && away < 0.05;
    return [
      name,
      String(hours),
      `${ended} of ${runs.length} ${intervalOf(ended, runs.length)}`,
      suspensions.toFixed(3),
      faults.toFixed(1),
      String(over),
      String(held),
      percent(away),
      percent(probing),
      holds ? 'yes' : 'NO',
    ];
  });
}

function badLines(results: readonly TaskResult[]): string[][] {
  return BAD_ROWS.flatMap(({ name, healthyS, suspended, endedWithinS }, row) => {
    const runs = runsOf(results, 'bad', row);
    if (runs.length === 0) return [];
    const after = (time: number | undefined) => (time === undefined ? Number.POSITIVE_INFINITY : time - healthyS);
    const first = runs.map(({ suspendedAt }) => after(suspendedAt.find((time) => time > healthyS)));
    const ended = runs.map(({ endedAt }) => after(endedAt));
    const held = runs.map(({ heldAt }) => after(heldAt));
    const isInTime =
      suspended === undefined ||
      first.filter((time) => time <= suspended.withinS).length >= Math.floor(suspended.part * runs.length);
    const holds = isInTime && (endedWithinS === undefined || quantile(ended, 0.5) <= endedWithinS);
    const promised = suspended && `${suspended.withinS} s in ${100 * suspended.part} %`;
    return [
      [
        name,
        quantiles(first),
        promised ?? '',
        quantiles(ended),
        endedWithinS?.toString() ?? '',
        quantiles(held),
        holds ? 'yes' : 'NO',
      ],
    ];
  });
}

function runsOf(results: readonly TaskResult[], kind: Task['kind'], row: number) {
  return results.filter(({ task }) => task.kind === kind && task.row === row).flatMap(({ runs }) => runs);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`;
}

function quantile(values: readonly number[], p: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(p * values.length)] ?? Number.NaN;
}

function quantiles(values: readonly number[]): string {
  const text = (value: number) => (value === Number.POSITIVE_INFINITY ? 'never' : value.toLocaleString('en'));
  return `${text(quantile(values, 0.5))} (${text(quantile(values, 0.9))})`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
