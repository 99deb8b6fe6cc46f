import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { edgesOf, QUANTILES } from '../../../../gateway/judge/evidence/edges.ts';
import {
  addHistogram,
  BUCKETS,
  bucketOf,
  emptyHistogram,
  type Histogram,
  latencyOf,
  quantileOf,
  recordLatency,
  sizeOf,
} from '../../../../gateway/judge/evidence/histogram.ts';
import { addTick, sumOf, type Window } from '../../../../gateway/judge/evidence/window.ts';

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

test('histograms add up', () => {
  fc.assert(
    fc.property(latencies, latencies, (a, b) => {
      const sum = histogramOf(a);
      addHistogram(sum, histogramOf(b));
      assert.deepEqual(sum, histogramOf([...a, ...b]));
    }),
    { numRuns: 500 },
  );
});

test('edges are the 95th and 99th percentile of a baseline that has answered enough, on a grid that gateways share', () => {
  const all = Array.from({ length: 1000 }, (_, i) => i + 1);
  assert.deepEqual(edgesOf(histogramOf(all.slice(0, 499))), []);
  const edges = edgesOf(histogramOf(all));
  assert.equal(edges.length, 2);
  for (const [i, exact] of [950, 990].entries()) {
    const edge = edges[i] ?? 0;
    assert.ok(edge >= 0.99 * exact && edge <= 1.12 * exact, `${edges}`);
    const steps = Math.log(edge) / Math.log(1.1);
    assert.ok(Math.abs(steps - Math.round(steps)) < 1e-9, `${edge} is on the grid`);
  }
  // A baseline that is a little slower asks at the same place.
  assert.deepEqual(edgesOf(histogramOf(all.map((ms) => ms * 1.002))), edges);
});

test('a window keeps slots of half a minute, adds up what falls into one, and forgets the old', () => {
  const answers = (cpu: number, gpu: number) => ({
    cpu: histogramOf([...Array(cpu).keys()]),
    gpu: histogramOf([...Array(gpu).keys()]),
  });
  let window: Window = [];
  for (let second = 0; second < 180; second++) window = addTick(window, second * 1000, answers(2, 1), 90_000);
  assert.deepEqual(
    window.map(({ index }) => index),
    [2, 3, 4, 5],
  );
  assert.deepEqual([sizeOf(sumOf(window).cpu), sizeOf(sumOf(window).gpu)], [240, 120]);
  // After a gap all of it is old.
  assert.deepEqual(
    addTick(window, 1e6, answers(1, 0), 90_000).map(({ index }) => index),
    [33],
  );
});

function histogramOf(all: readonly number[]): Histogram {
  const histogram = emptyHistogram();
  for (const ms of all) recordLatency(histogram, ms);
  assert.equal(sizeOf(histogram), all.length);
  return histogram;
}
