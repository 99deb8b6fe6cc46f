// `npm run bench`: what a decision costs, and what a request costs in each proxy, in one run on one machine, as ratios.
// Absolute figures mean nothing elsewhere; the ratios do. Results that were kept: test/bench/RESULTS.md.
import { cpus } from 'node:os';
import { benchDecisions } from './decisions.ts';
import { benchJudge } from './judge.ts';
import { type Measurement, measure } from './measure.ts';
import { benchModelServer } from './model-server.ts';
import { startScript, type Target, targets } from './targets.ts';

const ROUNDS = 5;
const REQUESTS = 8000;

// `npm run bench -- decisions` measures only those, `npm run bench -- forwarding` only the proxies.
const only = process.argv[2];
if (only === undefined || only === 'decisions') console.log(`${await benchDecisions()}\n`);
if (only === undefined || only === 'judge') console.log(`${benchJudge()}\n`);
if (only === undefined || only === 'forwarding') await benchForwarding();
if (only === undefined || only === 'model-server') console.log(await benchModelServer());

async function benchForwarding(): Promise<void> {
  const backend = await startScript('backend');
  const started: Target[] = [];
  for (const start of targets()) started.push(await start(backend.url));
  const results = new Map<string, Measurement[]>(started.map(({ name }) => [name, []]));
  for (let round = 1; round <= ROUNDS; round++) {
    for (const target of shuffled(started)) {
      console.error(`round ${round} of ${ROUNDS}: ${target.name}`);
      results.get(target.name)?.push(await measure(target, REQUESTS));
    }
  }
  console.log(
    `${cpus().length} x ${cpus()[0]?.model}, Node ${process.version}, medians of ${ROUNDS} rounds of ${REQUESTS} requests\n`,
  );
  console.log(table(results));
  for (const target of started) await target.stop();
  backend.process.kill();
}

function table(all: ReadonlyMap<string, readonly Measurement[]>): string {
  const cost = (name: string) => median((all.get(name) ?? []).map(({ cpuMicros }) => cpuMicros));
  const references = [...all.keys()].filter((name) => !name.startsWith('sluice'));
  const header = [
    'proxy',
    'CPU us/request',
    'requests/s',
    'p50 ms',
    'p99 ms',
    ...references.map((name) => `x ${name}`),
  ];
  const rows = [...all].map(([name, rounds]) => [
    name,
    cost(name).toFixed(0),
    median(rounds.map(({ perSecond }) => perSecond)).toFixed(0),
    median(rounds.map(({ p50Ms }) => p50Ms)).toFixed(2),
    median(rounds.map(({ p99Ms }) => p99Ms)).toFixed(2),
    ...references.map((reference) => (cost(name) / cost(reference)).toFixed(2)),
  ]);
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, key: Math.random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
