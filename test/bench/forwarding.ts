// What a request costs in each proxy: one run, one machine, one backend, so that only the proxy differs.
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
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
    for (const target of chosen) await startOne(target, backend, started);
    const size = { requests, connections: CONNECTIONS, pairs: PAIRS };
    const results = await measureAll(started, backend, rounds, size);
    return [machine(rounds, size), tableOf(results), aroundOf(results), promisesOf(results)].join('\n\n');
  } finally {
    await Promise.all(started.map(({ running }) => running.stop()));
    backend.stop();
  }
}

async function startOne(target: Target, backend: Backend, started: Measured[]): Promise<void> {
  console.error(`starting ${target.name}`);
  try {
    started.push({ target, running: await target.start(backend.urls) });
  } catch (error) {
    if (!(error instanceof LeftOut)) throw error;
    console.error(`left out: ${target.name}: ${error.message}`);
  }
}

async function measureAll(
  started: readonly Measured[],
  backend: Backend,
  rounds: number,
  size: RoundSize,
): Promise<Results> {
  for (const one of started) {
    console.error(`warming up ${one.target.name}`);
    await warmUp(one, backend, COMPILED, size.connections);
  }
  const results = new Map<string, Round[]>(started.map(({ target }) => [target.name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const one of shuffled(started)) {
      const measured = await measure(one, backend, size);
      console.error(`round ${round} of ${rounds}: ${one.target.name}: ${measured.cpuMicros.toFixed(1)} us/request`);
      results.get(one.target.name)?.push(measured);
    }
  }
  return results;
}

function machine(rounds: number, { requests, connections, pairs }: RoundSize): string {
  const versions = ['nginx', 'haproxy'].map((name) => `${name} ${versionOf(name) ?? 'not installed'}`);
  const kernel = execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim();
  return [
    `${cpus().length} x ${cpus()[0]?.model}, ${kernel}, Node ${process.version}, ${versions.join(', ')}`,
    `medians of ${rounds} rounds of ${requests} requests at ${connections} connections and ${pairs} at one, each beside one without a proxy`,
  ].join('\n');
}
