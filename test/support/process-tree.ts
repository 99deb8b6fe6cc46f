// What a process and everything it started have used, from the operating system: Linux's proc(5).
import { readdirSync, readFileSync } from 'node:fs';

/** CPU microseconds so far of a process and its descendants, every thread of each. */
export function cpuMicros(root: number): number {
  const threads = treeOf(root).flatMap((pid) =>
    readdirSync(`/proc/${pid}/task`).map((tid) => `/proc/${pid}/task/${tid}`),
  );
  // The first number of schedstat is nanoseconds on a CPU; the clock ticks of stat are 10 ms, too coarse for a round.
  return (
    threads.reduce((sum, thread) => sum + Number(readFileSync(`${thread}/schedstat`, 'utf8').split(' ')[0]), 0) / 1000
  );
}

/** Resident memory of a process and its descendants, in MiB. Pages that they share count for each. */
export function residentMiB(root: number): number {
  const kibibytes = treeOf(root).map((pid) =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]),
  );
  return kibibytes.reduce((sum, each) => sum + each, 0) / 1024;
}

/** The process and its descendants of this moment. */
export function treeOf(root: number): number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    const parent = /^\d+$/.test(entry) ? parentOf(entry) : undefined;
    if (parent !== undefined) parents.set(Number(entry), parent);
  }
  const isIn = (pid: number | undefined): boolean => pid !== undefined && (pid === root || isIn(parents.get(pid)));
  return [...parents.keys()].filter(isIn);
}

/** Whether the process runs: one that ended is none, even where nobody has asked how it ended. */
export function isRunning(pid: number): boolean {
  const state = statOf(String(pid))?.[0];
  return state !== undefined && state !== 'Z';
}

function parentOf(pid: string): number | undefined {
  const parent = statOf(pid)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/** State, parent and what follows them; undefined when the process has ended meanwhile. */
function statOf(pid: string): string[] | undefined {
  try {
    // The name in brackets may hold anything; what follows its last bracket is the state and the parent.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ');
  } catch {
    return undefined;
  }
}
