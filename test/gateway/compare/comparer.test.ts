import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { type ComparisonBatch, textsIn } from '../../../gateway/compare/batch.ts';
import { Comparer, type ComparerCounters } from '../../../gateway/compare/comparer.ts';
import type { Comparison } from '../../../gateway/compare/comparison.ts';
import { Queue } from '../../../gateway/compare/queue.ts';
import { undo } from '../../support/undo.ts';
import { until } from '../../support/until.ts';
import { pair, probabilities, side, v2 } from './answers.ts';

const good = side(v2(probabilities(0.1, 0.9)));
const flip = side(v2(probabilities(0.9, 0.1)));
const SPECS = new Map([['digits/v2', { as: 'classification' as const }]]);

function comparisonsIn({ records }: ComparisonBatch): Comparison[] {
  return textsIn(records).map((text) => JSON.parse(text) as Comparison);
}

function addsUp({ offered, compared, dropped, failed, waiting }: ComparerCounters): boolean {
  return offered === compared + dropped + failed + waiting;
}

test('pairs come back compared, in their order, whatever their number', async (t) => {
  const batches: ComparisonBatch[] = [];
  const comparer = new Comparer({ sink: (batch) => batches.push(batch) });
  undo(t, () => comparer.close());
  comparer.configure(SPECS);
  for (let i = 0; i < 1000; i++) comparer.offer(pair(good, i % 10 === 0 ? flip : good, { id: `r-${i}` }));
  await until(() => comparer.counters().compared === 1000, 'all of them');
  const found = batches.flatMap(comparisonsIn);
  assert.deepEqual(
    found.map(({ id }) => id),
    Array.from({ length: 1000 }, (_, i) => `r-${i}`),
  );
  assert.equal(found.filter(({ kind }) => kind === 'different').length, 100);
  const pairs = batches.flatMap(({ deltas }) => deltas).reduce((sum, { sums }) => sum + (sums.get('pairs') ?? 0), 0);
  assert.equal(pairs, 1000);
  assert.deepEqual(comparer.counters(), { offered: 1000, compared: 1000, dropped: 0, failed: 0, waiting: 0 });
});

test('where the system cannot start a process, pairs wait for the next try', async (t) => {
  const troubles: string[] = [];
  const comparer = new Comparer({ sink: () => {}, onTrouble: ({ message }) => troubles.push(message) });
  undo(t, () => comparer.close());
  const { execPath } = process;
  process.execPath = ''; // Node throws at the start, as it does for ENOMEM
  undo(t, () => Object.assign(process, { execPath }));
  comparer.offer(pair(good, good));
  await until(() => troubles.length > 0, 'a failed start');
  assert.deepEqual([comparer.counters().waiting, comparer.counters().failed], [1, 0]);
  process.execPath = execPath;
  await until(() => comparer.counters().compared === 1, 'the pair');
});

test('what the process cannot keep up with is dropped, the oldest first, and counted', async (t) => {
  const ids: string[] = [];
  const comparer = new Comparer({
    sink: (batch) => ids.push(...comparisonsIn(batch).map(({ id }) => id)),
    maxPairs: 128,
  });
  undo(t, () => comparer.close());
  comparer.configure(SPECS);
  for (let i = 0; i < 5000; i++) {
    comparer.offer(pair(good, good, { id: `r-${i}` }));
    assert.ok(addsUp(comparer.counters()));
    assert.ok(comparer.counters().waiting <= 128 + 64 + 64); // beside the bound one is packed, one in the process
  }
  await until(() => comparer.counters().waiting === 0, 'an empty queue');
  const { offered, compared, dropped, failed } = comparer.counters();
  assert.deepEqual([offered, failed, compared + dropped], [5000, 0, 5000]);
  assert.ok(dropped > 4000);
  assert.deepEqual(
    ids.slice(-100),
    Array.from({ length: 100 }, (_, i) => `r-${4900 + i}`),
  );
});

test('bodies that wait are bounded by their bytes', async (t) => {
  const comparer = new Comparer({ sink: () => {}, maxBytes: 1_000_000 });
  undo(t, () => comparer.close());
  const large = side(Buffer.alloc(300_000, 0x20));
  for (let i = 0; i < 50; i++) comparer.offer(pair(large, large));
  assert.ok(comparer.counters().waiting <= 3, `${comparer.counters().waiting}`);
  assert.ok(addsUp(comparer.counters()));
});

test('a pair larger than all the room is dropped alone', async (t) => {
  const comparer = new Comparer({ sink: () => {}, maxBytes: 1000 });
  undo(t, () => comparer.close());
  comparer.offer(pair(side(Buffer.alloc(2000)), good));
  assert.deepEqual([comparer.counters().dropped, comparer.counters().waiting], [1, 0]);
  comparer.offer(pair(good, good));
  await until(() => comparer.counters().compared === 1, 'the next one');
});

test('closing finishes what waits, and what comes after is dropped and counted', async () => {
  let batches = 0;
  const comparer = new Comparer({ sink: () => void batches++ });
  comparer.configure(SPECS);
  for (let i = 0; i < 300; i++) comparer.offer(pair(good, good));
  await comparer.close(10_000);
  assert.deepEqual(comparer.counters(), { offered: 300, compared: 300, dropped: 0, failed: 0, waiting: 0 });
  comparer.offer(pair(good, good));
  assert.deepEqual([comparer.counters().dropped, addsUp(comparer.counters()), batches > 0], [1, true, true]);
});

test('an answer that takes more memory than comparing may have costs its own pair, and the log says why', async (t) => {
  const troubles: string[] = [];
  const comparer = new Comparer({ sink: () => {}, onTrouble: ({ message }) => troubles.push(message) });
  undo(t, () => comparer.close());
  const bomb = side(`[${'{},'.repeat(1_390_000)}{}]`);
  comparer.configure(new Map([['digits/v2', { as: 'json' }]]));
  comparer.offer(pair(bomb, bomb));
  comparer.offer(pair(good, good));
  await until(() => comparer.counters().compared === 1, 'the next pair', 30_000);
  assert.equal(comparer.counters().failed, 1);
  assert.match(troubles.join('\n'), /^the comparing process ended \(SIG\w+\): FATAL ERROR: .*heap/);
});

test('signals to the whole group do not end the process that compares, and the end of the gateway does', async (t) => {
  const script = `
    const { Comparer } = await import('./dist/gateway/compare/comparer.js');
    const { pair, side } = await import('./dist/test/gateway/compare/answers.js');
    const comparer = new Comparer({ sink: () => console.log('compared') });
    process.on('SIGTERM', () => comparer.offer(pair(side('1'), side('1'))));
    comparer.offer(pair(side('1'), side('1')));
    setInterval(() => {}, 1000);`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    detached: true, // a group of its own
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const group = parent.pid ?? 0;
  const isAlive = () => {
    try {
      return process.kill(-group, 0);
    } catch {
      return false;
    }
  };
  undo(t, () => void (isAlive() && process.kill(-group, 'SIGKILL')));
  let printed = '';
  parent.stdout.on('data', (text) => (printed += text));
  await until(() => printed === 'compared\n', 'the first comparison');
  process.kill(-group, 'SIGTERM');
  await until(() => printed === 'compared\ncompared\n', 'a comparison after the signal');
  parent.kill('SIGKILL');
  await until(() => !isAlive(), 'the end of the whole group');
});

test('a change of what is compared holds for the pairs after it', async (t) => {
  const found: Comparison[] = [];
  const comparer = new Comparer({ sink: (batch) => found.push(...comparisonsIn(batch)) });
  undo(t, () => comparer.close());
  comparer.configure(SPECS);
  comparer.offer(pair(good, good));
  await until(() => found.length === 1, 'the first');
  comparer.configure(new Map([['digits/v2', { as: 'regression' }]]));
  comparer.offer(pair(good, good));
  await until(() => found.length === 2, 'the second');
  assert.deepEqual(
    found.map(({ fields }) => fields[0]?.as),
    ['classification', 'regression'],
  );
});

test('a queue keeps its bounds and its counts, also with entries that count for several', () => {
  const queue = new Queue<number>({ maxCount: 10, maxBytes: 1000, bytesOf: (entry) => entry, countOf: () => 2 });
  for (let i = 1; i <= 8; i++) queue.push(i);
  assert.deepEqual([queue.count, queue.dropped, queue.bytes], [10, 6, 4 + 5 + 6 + 7 + 8]);
  assert.deepEqual(queue.take(4, 1000), [4, 5]);
  assert.deepEqual(queue.take(100, 13), [6, 7]);
  assert.deepEqual(queue.take(1, 1), [8]);
  assert.deepEqual([queue.isEmpty(), queue.count, queue.bytes, queue.take(5, 5)], [true, 0, 0, []]);
  const long = new Queue<number>({ maxCount: 5000, maxBytes: Number.POSITIVE_INFINITY, bytesOf: () => 1 });
  const seen: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    long.push(i);
    if (i % 3 === 0) seen.push(...long.take(2, 100));
  }
  seen.push(...long.take(100_000, 100_000));
  assert.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
  );
  assert.equal(seen.length + long.dropped, 20_000);
});
