// What a request costs in each proxy: one run, one machine, one backend, so that only the proxy differs.
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Backend } from './backend-process.ts';
import { aroundOf, promisesOf, type Results, tableOf } from './report.ts';
import { type Measured, measure, type Round, type RoundSize, warmUp } from './round.ts';
import { shuffled } from './statistics.ts';
import { versionOf } from './targets/debian.ts';
import { LeftOut, type Target } from './targets/target.ts';
import { TARGETS } from './targets.ts';

const CONNECTIONS = 32;
const PAIRS = 500;
/** Calls after which V8 has compiled what it will. */
const COMPILED = 20_000;
const MOST_ATTEMPTS = 3;
/** After a round that does not count, until what it left on the way has arrived. */
const SETTLING_MS = 500;

export type ForwardingOptions = {
  readonly rounds: number;
  /** At 32 connections, a round and target. */
  readonly requests: number;
  /** Parts of names; every target when empty. */
  readonly only: readonly string[];
};

/** The report of a whole run. Progress goes to standard error. */
export async function benchForwarding({ rounds, requests, only }: ForwardingOptions): Promise<string> {
  const chosen = TARGETS.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
  if (chosen.length === 0) throw new Error(`no such proxy: ${TARGETS.map(({ name }) => name).join(' | ')}`);
  const backend = await Backend.start();
  const started: Measured[] = [];
  try {
    const leftOut: string[] = [];
    for (const target of chosen) await startOne(target, backend, started, leftOut);
    const size = { requests, connections: CONNECTIONS, pairs: PAIRS };
    const { results, again } = await measureAll(started, backend, rounds, size);
    const notes = [
      aroundOf(results),
      `rounds that did not count and were measured again: ${again.length}`,
      ...again,
      ...leftOut,
    ];
    return [machine(rounds, size), tableOf(results), notes.join('\n'), promisesOf(results)].join('\n\n');
  } finally {
    await Promise.all(started.map(({ running }) => running.stop()));
    backend.stop();
  }
}

async function startOne(target: Target, backend: Backend, started: Measured[], leftOut: string[]): Promise<void> {
  console.error(`starting ${target.name}`);
  try {
    started.push({ target, running: await target.start(backend.urls) });
  } catch (error) {
    if (!(error instanceof LeftOut)) throw error;
    leftOut.push(`left out: ${target.name}: ${error.message}`);
    console.error(leftOut.at(-1));
  }
}

async function measureAll(
  started: readonly Measured[],
  backend: Backend,
  rounds: number,
  size: RoundSize,
): Promise<{ readonly results: Results; readonly again: readonly string[] }> {
  for (const one of started) {
    console.error(`warming up ${one.target.name}`);
    await warmUp(one, backend, COMPILED, size.connections);
  }
  const again: string[] = [];
  const results = new Map<string, Round[]>(started.map(({ target }) => [target.name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const one of shuffled(started)) {
      const measured = await measureUntilItCounts(one, backend, size, again);
      console.error(`round ${round} of ${rounds}: ${one.target.name}: ${measured.cpuMicros.toFixed(1)} us/request`);
      results.get(one.target.name)?.push(measured);
    }
  }
  return { results, again };
}

/** A busy machine may make a proxy shed or miss its time limits; a proxy that does so time and again ends the run. */
async function measureUntilItCounts(one: Measured, backend: Backend, size: RoundSize, again: string[]): Promise<Round> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await measure(one, backend, size);
    } catch (error) {
      if (attempt === MOST_ATTEMPTS) throw error;
      again.push(String(error));
      console.error(`measured again: ${error}`);
      await sleep(SETTLING_MS);
      await backend.take({ all: 0, mirrored: 0 });
    }
  }
}

function machine(rounds: number, { requests, connections, pairs }: RoundSize): string {
  const versions = ['nginx', 'haproxy'].map((name) => `${name} ${versionOf(name) ?? 'not installed'}`);
  const kernel = execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim();
  return [
    `${cpus().length} x ${cpus()[0]?.model}, ${kernel}, Node ${process.version}, ${versions.join(', ')}`,
    `medians of ${rounds} rounds of ${requests} requests at ${connections} connections and ${pairs} at one, each beside one without a proxy`,
  ].join('\n');
}
