import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { edgesOf, QUANTILES } from '../../../gateway/judge/edges.ts';
import {
  addHistogram,
  BUCKETS,
  bucketOf,
  emptyHistogram,
  fromSparse,
  type Histogram,
  latencyOf,
  quantileOf,
  recordLatency,
  sizeOf,
  toSparse,
} from '../../../gateway/judge/histogram.ts';
import { addTick, sumOf, type Window } from '../../../gateway/judge/window.ts';
import { tally } from './setup.ts';

const latencies = fc.array(fc.double({ min: 0.1, max: 60_000, noNaN: true }), { minLength: 1, maxLength: 200 });

test('a latency from 0.1 ms to 60 s is kept to 1 %', () => {
  fc.assert(
    fc.property(fc.double({ min: 0.1, max: 60_000, noNaN: true }), (ms) => {
      const kept = latencyOf(bucketOf(ms));
      return Math.abs(kept - ms) <= 0.0100001 * ms;
    }),
    { numRuns: 10_000 },
  );
});

test('a latency out of range falls into the first or the last bucket', () => {
  for (const ms of [0, -1, 0.01, Number.NaN]) assert.equal(bucketOf(ms), 0, `${ms}`);
  for (const ms of [1e6, Number.POSITIVE_INFINITY]) assert.equal(bucketOf(ms), BUCKETS - 1, `${ms}`);
});

test('a quantile is that of the sorted latencies, to 1 %', () => {
  fc.assert(
    fc.property(latencies, fc.constantFrom(...QUANTILES, 1), (all, p) => {
      const sorted = [...all].sort((a, b) => a - b);
      const exact = sorted[Math.max(0, Math.ceil(p * all.length) - 1)] ?? Number.NaN;
      return Math.abs((quantileOf(histogramOf(all), p) ?? Number.NaN) - exact) <= 0.0100001 * exact;
    }),
    { numRuns: 2000 },
  );
  assert.equal(quantileOf(emptyHistogram(), 0.5), undefined);
});

test('histograms add up, whole or as the buckets that are not empty', () => {
  fc.assert(
    fc.property(latencies, latencies, (a, b) => {
      const sum = fromSparse(JSON.parse(JSON.stringify(toSparse(histogramOf(a)))));
      addHistogram(sum, histogramOf(b));
      assert.deepEqual(sum, histogramOf([...a, ...b]));
    }),
    { numRuns: 500 },
  );
});

test('edges are quantiles of the baseline, once it has answered enough', () => {
  const all = Array.from({ length: 1000 }, (_, i) => i + 1);
  assert.deepEqual(edgesOf(histogramOf(all.slice(0, 499))), []);
  const edges = edgesOf(histogramOf(all));
  for (const [i, exact] of [500, 900, 950, 990, 999].entries())
    assert.ok(Math.abs((edges[i] ?? 0) - exact) <= 0.011 * exact, `${edges}`);
});

test('a window keeps slots of ten seconds, adds up what falls into one, and forgets the old', () => {
  let window: Window = [];
  for (let second = 0; second < 60; second++) window = addTick(window, second * 1000, tally(2, 1), 30_000);
  assert.deepEqual(
    window.map(({ index }) => index),
    [2, 3, 4, 5],
  );
  assert.equal(sumOf(window).outcomes.ok, 40);
  assert.equal(sumOf(window).outcomes.model_fault, 40);
  // After a gap all of it is old.
  assert.deepEqual(
    addTick(window, 1e6, tally(1), 30_000).map(({ index }) => index),
    [100],
  );
});

function histogramOf(all: readonly number[]): Histogram {
  const histogram = emptyHistogram();
  for (const ms of all) recordLatency(histogram, ms);
  assert.equal(sizeOf(histogram), all.length);
  return histogram;
}
