// One round: what one target is given to do, what is measured of it, and whether the measurement counts.
import { cpuMicros, residentMiB } from '../support/process-tree.ts';
import type { Seen } from './backend.ts';
import type { Backend } from './backend-process.ts';
import type { RequestBytes } from './caller.ts';
import { INFER, requestsFor, type Sent, sendAll, timePairs } from './load.ts';
import { quantile } from './statistics.ts';
import type { Running, Target } from './targets/target.ts';

/** Calls before each measurement: connections open, and V8 grows again what it shrank while the process idled. */
const OPENING = 2000;

export type RoundSize = { readonly requests: number; readonly connections: number; readonly pairs: number };

export type Round = {
  /** Of the target's own processes, a request, at full load. */
  readonly cpuMicros: number;
  /** The same at one connection: each request wakes the target anew, and nothing is done in batches. */
  readonly cpuMicrosAlone: number;
  /** Of the load and the backend together, a request: when it is more than the target's, they bound the throughput. */
  readonly aroundMicros: number;
  readonly perSecond: number;
  /** How much of one CPU the target used meanwhile. */
  readonly busy: number;
  /** At one connection, milliseconds over the same call without the target. */
  readonly addedP50Ms: number;
  readonly addedP99Ms: number;
  readonly residentMiB: number;
};

export type Measured = { readonly target: Target; readonly running: Running };

/** Measures one round. Throws when anything but a 200 came back, or the backend did not see exactly what was sent. */
export async function measure(measured: Measured, backend: Backend, size: RoundSize): Promise<Round> {
  const requests = requestsFor(measured.target.call?.(backend.urls) ?? INFER);
  await warmUp(measured, backend, OPENING, size.connections);
  const loaded = await measureLoaded(measured, backend, size, requests);
  return { ...loaded, ...(await measureAlone(measured, backend, size, requests)) };
}

/** Makes calls that are not measured, until the backend has seen the last of them. */
export async function warmUp({ target, running }: Measured, backend: Backend, count: number, connections: number) {
  await sendAll(running.url, requestsFor(target.call?.(backend.urls) ?? INFER), count, connections);
  await backend.take(expected(target, count));
}

type Alone = Pick<Round, 'cpuMicrosAlone' | 'addedP50Ms' | 'addedP99Ms'>;

async function measureLoaded(
  { target, running }: Measured,
  backend: Backend,
  { requests: count, connections }: RoundSize,
  requests: readonly RequestBytes[],
): Promise<Omit<Round, keyof Alone>> {
  const before = { target: cpuMicros(running.pid), load: process.cpuUsage(), backend: backend.cpuMicros };
  const sent = await sendAll(running.url, requests, count, connections);
  const used = cpuMicros(running.pid) - before.target;
  const { user, system } = process.cpuUsage(before.load);
  const around = user + system + backend.cpuMicros - before.backend;
  const resident = residentMiB(running.pid);
  refuse(target, faultsOf(target, count, sent, await backend.take(expected(target, count))));
  return {
    cpuMicros: used / count,
    aroundMicros: around / count,
    perSecond: count / sent.seconds,
    busy: used / 1e6 / sent.seconds,
    residentMiB: resident,
  };
}

async function measureAlone(
  { target, running }: Measured,
  backend: Backend,
  { pairs }: RoundSize,
  requests: readonly RequestBytes[],
): Promise<Alone> {
  const before = cpuMicros(running.pid);
  const proxied = { url: running.url, requests };
  const { through, direct } = await timePairs(proxied, { url: backend.urls.url, requests: requestsFor(INFER) }, pairs);
  const used = cpuMicros(running.pid) - before;
  const { all } = await backend.take({ all: 2 * pairs, mirrored: target.mirrors ? pairs : 0 });
  refuse(target, all === 2 * pairs ? [] : [`the backend saw ${all} requests of ${2 * pairs}`]);
  return {
    cpuMicrosAlone: used / pairs,
    addedP50Ms: quantile(through, 0.5) - quantile(direct, 0.5),
    addedP99Ms: quantile(through, 0.99) - quantile(direct, 0.99),
  };
}

function refuse({ name }: Target, faults: readonly string[]): void {
  if (faults.length > 0) throw new Error(`a round of ${name} does not count: ${faults.join('; ')}`);
}

function expected({ mirrors }: Target, count: number): Pick<Seen, 'all' | 'mirrored'> {
  return { all: count, mirrored: mirrors ? count : 0 };
}

/**
 * Why a round does not count; empty when it does. A proxy that fails, repeats or drops requests, sends no one to the
 * candidate or copies too few has done other work than it is measured for.
 */
export function faultsOf(
  { weighted, mirrors }: Pick<Target, 'weighted' | 'mirrors'>,
  count: number,
  { statuses }: Pick<Sent, 'statuses'>,
  seen: Seen,
): string[] {
  const faults: string[] = [];
  const answered = statuses.get(200) ?? 0;
  if (answered !== count) faults.push(`${count - answered} of ${count} were not answered 200`);
  if (seen.all !== count) faults.push(`the backend saw ${seen.all} requests of ${count} that were sent`);
  const copies = mirrors ? count : 0;
  if (seen.mirrored !== copies) faults.push(`the mirror's backend saw ${seen.mirrored} copies of ${copies}`);
  const share = seen.candidate / count;
  // The same users every time: 10 % of them, give or take what a hash does to some hundred.
  const isFair = weighted ? share > 0.05 && share < 0.15 : share === 0;
  if (!isFair)
    faults.push(`${(share * 100).toFixed(1)} % went to the candidate instead of ${weighted ? 'about 10' : 'none'}`);
  return faults;
}
