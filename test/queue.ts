// Test files, each run by itself in a process of its own: which may run beside which, what came of them, and the second try.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setPriority } from 'node:os';
import { delimiter, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { treeOf } from './support/process-tree.ts';

/** How test files are run. */
export type Running = {
  /** The path of the Node that runs them; every `node` that they start by its name is that one too. */
  readonly node: string;
  /** Files at one time. */
  readonly slots: number;
  /** Of them at most these many whose outcome may depend on time. */
  readonly timed: number;
  /** After so long a file is ended, with every process that it started, and has failed. */
  readonly limitMs: number;
  /** Hears what a file prints, as it does. */
  readonly onOutput?: (text: Buffer) => void;
  /** Hears of each file when it has ended. */
  readonly onEnd?: (ended: Ended) => void;
  /** Hears which files run once more. */
  readonly onAgain?: (failed: readonly Ended[]) => void;
};

/** How the test command runs its files. Two cores: a third file uses the time in which the two others wait. */
export const TESTS = { slots: 3, timed: 2, limitMs: 150_000 };

/** What came of one file. `tests` of the first level and below, as node's own report counts them. */
export type Ended = {
  readonly file: string;
  readonly passed: boolean;
  readonly counts: Counts;
  readonly ms: number;
  readonly output: string;
};

export type Counts = { readonly tests: number; readonly pass: number; readonly fail: number; readonly skipped: number };

export const NONE: Counts = { tests: 0, pass: 0, fail: 0, skipped: 0 };

export function sumOf(ended: readonly Ended[]): Counts {
  return ended.reduce(
    (sum, { counts }) => ({
      tests: sum.tests + counts.tests,
      pass: sum.pass + counts.pass,
      fail: sum.fail + counts.fail,
      skipped: sum.skipped + counts.skipped,
    }),
    NONE,
  );
}

/** Real processes under load, or a clock that is measured: more than two of these at once would measure the machine. */
export function isTimed(file: string): boolean {
  return /(^|\/)(stories|faults|bench|support)\//.test(file);
}

/** Waits of callers, compared with each other by the clock: nothing else of ours may run meanwhile. */
export function runsAlone(file: string): boolean {
  return /(^|\/)stories\/shadow(-redis)?\.test\.m?js$/.test(file);
}

/**
 * Runs the files, those that run alone last, and those that failed once more when all others are over, one at a time. Resolves
 * with the last outcome of each file; `flaky` are those that failed and then passed.
 */
export async function runAll(
  files: readonly string[],
  running: Running,
): Promise<{ readonly ended: readonly Ended[]; readonly flaky: readonly Ended[] }> {
  const beside = await pass(
    files.filter((file) => !runsAlone(file)),
    running,
  );
  const first = [...beside, ...(await pass(files.filter(runsAlone), { ...running, slots: 1 }))];
  const failed = first.filter(({ passed }) => !passed);
  if (failed.length === 0 || failed.length > MOST_AGAIN) return { ended: first, flaky: [] };
  running.onAgain?.(failed);
  const again = await pass(
    failed.map(({ file }) => file),
    { ...running, slots: 1 },
  );
  const passedNow = new Set(again.filter(({ passed }) => passed).map(({ file }) => file));
  return {
    ended: [...first.filter(({ passed }) => passed), ...again],
    flaky: failed.filter(({ file }) => passedNow.has(file)),
  };
}

/** When more fail than this, time was not the reason. */
const MOST_AGAIN = 5;

async function pass(files: readonly string[], running: Running): Promise<Ended[]> {
  const waiting = [...files];
  const ended: Ended[] = [];
  let timedNow = 0;
  const next = (): string | undefined => {
    const i = waiting.findIndex((file) => isTimed(file) && timedNow < running.timed);
    const j = i >= 0 ? i : waiting.findIndex((file) => !isTimed(file));
    return j < 0 ? undefined : waiting.splice(j, 1)[0];
  };
  const slot = async () => {
    for (let file = next(); file !== undefined; file = next()) {
      if (isTimed(file)) timedNow++;
      const one = await runOne(file, running, !isTimed(file) && files.length > 1 && running.slots > running.timed);
      if (isTimed(file)) timedNow--;
      ended.push(one);
      running.onEnd?.(one);
    }
  };
  await Promise.all(Array.from({ length: running.slots }, slot));
  return ended;
}

/** How long the output of a file that has ended is waited for, where something that it started holds it open. */
const LAST_OUTPUT_MS = 1000;
/** What is not timed gives way to what is. */
const UNTIMED_PRIORITY = 5;

async function runOne(file: string, { node, limitMs, onOutput }: Running, givesWay: boolean): Promise<Ended> {
  const start = performance.now();
  const { NODE_TEST_CONTEXT: _, ...env } = process.env; // set inside a test, and then no other would run
  const child = spawn(node, ['--enable-source-maps', '--test-reporter=spec', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, PATH: [dirname(node), env.PATH ?? ''].join(delimiter), ORT_DISABLE_TELEMETRY: '1' },
    detached: true, // a group of its own, which can be ended as a whole
  });
  if (givesWay && child.pid !== undefined) setPriority(child.pid, UNTIMED_PRIORITY);
  RUNNING.add(child);
  const pieces: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (piece: Buffer) => {
      pieces.push(piece);
      onOutput?.(piece);
    });
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let isLate = false;
  const limit = setTimeout(() => {
    isLate = true;
    endGroup(child);
  }, limitMs);
  const code = await new Promise((resolve) => child.once('error', resolve).once('exit', resolve));
  clearTimeout(limit);
  RUNNING.delete(child);
  endGroup(child); // what a test left behind does not outlive it
  await Promise.race([closed, sleep(LAST_OUTPUT_MS, undefined, { ref: false })]);
  const late = isLate ? `\n✖ ${file} did not end within ${limitMs / 1000} s\n` : '';
  const output = Buffer.concat(pieces).toString('utf8') + late;
  return { file, passed: code === 0, counts: countsOf(output), ms: performance.now() - start, output };
}

const RUNNING = new Set<ChildProcess>();

/** Lets no file outlive this process, however it ends, short of SIGKILL. */
export function endWithThisProcess(): void {
  process.once('exit', () => {
    for (const child of RUNNING) endGroup(child);
  });
  for (const [signal, code] of SIGNALS) process.once(signal, () => process.exit(code));
}

const SIGNALS = [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

/** Ends a file with all that it started: also what has a group of its own, as long as the file runs. */
function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  for (const one of [-pid, ...(existsSync('/proc/self') ? treeOf(pid) : [])]) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // it is gone
    }
  }
}

/** The counts at the end of node's own report. */
function countsOf(output: string): Counts {
  const of = (name: string) => Number(new RegExp(`^ℹ ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  return { tests: of('tests'), pass: of('pass'), fail: of('fail') + of('cancelled'), skipped: of('skipped') };
}
