// The formulas, against values worked out elsewhere.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { agreementLimits } from '../../../gateway/statistics/agreement-limits.ts';
import { ExactSum, exactlyIn } from '../../../gateway/statistics/exact-sum.ts';
import { kappa } from '../../../gateway/statistics/kappa.ts';
import { bucketOf, LATENCY, quantile, sizeOf } from '../../../gateway/statistics/log-buckets.ts';
import { beyondNoise, excessOf } from '../../../gateway/statistics/noise-floor.ts';
import { differenceOf, rateOf } from '../../../gateway/statistics/proportion.ts';
import { chiSquareTail, sampleRatio } from '../../../gateway/statistics/sample-ratio.ts';

function near(actual: number | undefined, expected: number, within: number, what = ''): void {
  assert.ok(actual !== undefined && Math.abs(actual - expected) <= within, `${what} ${actual}, not ${expected}`);
}

test('Wilson intervals are those of Newcombe’s paper', () => {
  for (const [count, of, low, high] of [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
    [5, 300, 0.0071, 0.0384],
    [12, 300, 0.023, 0.0686],
  ] as const) {
    const rate = rateOf(count, of);
    near(rate.low, low, 5e-5, `${count}/${of} low`);
    near(rate.high, high, 5e-5, `${count}/${of} high`);
  }
  assert.deepEqual(rateOf(0, 0), { count: 0, of: 0, rate: 0, low: 0, high: 1 });
});

test('intervals of a difference are those of Newcombe’s method 10', () => {
  for (const [a, b, low, high] of [
    [[56, 70], [48, 80], 0.0524, 0.3339],
    [[9, 10], [3, 10], 0.1705, 0.809],
    [[10, 10], [0, 10], 0.6075, 1],
  ] as const) {
    const found = differenceOf({ count: a[0], of: a[1] }, { count: b[0], of: b[1] });
    near(found.low, low, 5e-5, `${a} ${b} low`);
    near(found.high, high, 5e-5, `${a} ${b} high`);
  }
});

test('kappa looks through rare classes where agreement does not', () => {
  const of = (a: number, b: number, c: number, d: number) =>
    kappa(a + b + c + d, b + c, {
      baseline: new Map([
        ['0', a + b],
        ['1', c + d],
      ]),
      candidate: new Map([
        ['0', a + c],
        ['1', b + d],
      ]),
    });
  near(of(45, 15, 25, 15), 0.1304, 5e-5);
  near(of(980, 10, 8, 2), 0.1728, 5e-5);
  assert.equal(of(10, 0, 0, 0), undefined);
  assert.equal(of(5, 0, 0, 5), 1);
  assert.equal(kappa(0, 0, { baseline: new Map(), candidate: new Map() }), undefined);
});

test('limits of agreement come from sums alone', () => {
  const [a, b] = [
    [10.2, 11.5, 9.8, 12.1, 10.9],
    [10.0, 11.9, 9.9, 12.5, 11.0],
  ];
  const deltas = (a ?? []).map((value, i) => (b?.[i] ?? 0) - value);
  const sum = deltas.reduce((total, delta) => total + delta, 0);
  const sumSquares = deltas.reduce((total, delta) => total + delta * delta, 0);
  const limits = agreementLimits({ count: 5, sum, sumSquares });
  near(limits?.bias, 0.16, 1e-12);
  near(limits?.sd, 0.250998, 1e-6);
  near(limits?.low, -0.331956, 1e-6);
  near(limits?.high, 0.651956, 1e-6);
  assert.equal(agreementLimits({ count: 1, sum: 1, sumSquares: 1 }), undefined);
  // The same differences beside a bias of 1e8 and of 1e10, in sums of 50,000.
  for (const far of [0, 1e8, -1e8, 1e10]) {
    const [sums, squares] = [new ExactSum(), new ExactSum()];
    for (let i = 0; i < 10_000; i++)
      for (const delta of deltas) {
        sums.add(far + delta);
        squares.addSquare(far + delta);
      }
    const found = agreementLimits({
      count: 50_000,
      sum: sums.sum,
      sumRest: sums.rest,
      sumSquares: squares.sum,
      sumSquaresRest: squares.rest,
    });
    assert.ok(Math.abs((found?.bias ?? 0) - far - 0.16) < 1e-5, `${far}: ${found?.bias}`);
    assert.ok(Math.abs((found?.sd ?? 0) - 0.2245 * Math.sqrt(50_000 / 49_999)) < 1e-4, `${far}: ${found?.sd}`);
  }
});

test('a difference is told only where it clearly exceeds the noise', () => {
  const of = (count: number, total: number) => ({ count, of: total });
  // Diffy's own examples.
  near(excessOf(of(120, 10_000), of(100, 10_000)).relative, 0.0909, 1e-4);
  near(excessOf(of(120, 10_000), of(20, 10_000)).relative, 0.7143, 1e-4);
  assert.equal(beyondNoise(of(120, 10_000), of(100, 10_000)), 'no');
  assert.equal(beyondNoise(of(120, 10_000), of(20, 10_000)), 'yes');
  assert.equal(beyondNoise(of(0, 10_000), of(0, 0)), 'no');
  assert.equal(beyondNoise(of(1, 10_000), of(0, 0)), 'unmeasured');
  assert.equal(beyondNoise(of(1, 100_000), of(0, 1000)), 'no'); // too rare to matter
  assert.equal(beyondNoise(of(70, 1000), of(0, 10)), 'unclear'); // 7 % against none of 10
  assert.equal(beyondNoise(of(70, 1000), of(0, 200)), 'yes');
  assert.equal(beyondNoise(of(100, 1000), of(100, 100)), 'no'); // noisier than raw
});

test('the sample-ratio check gives the p-values of GrowthBook’s tests', () => {
  for (const [units, shares, p] of [
    [[1000, 1200], [0.5, 0.5], 0.000020079],
    [[135, 115], [0.5, 0.5], 0.205903211],
    [[310, 98], [0.75, 0.25], 0.647434186],
    [[9470, 530], [0.95, 0.05], 0.1687],
    [[94_700, 5300], [0.95, 0.05], 1.34e-5],
    [[821_588, 815_482], [0.5, 0.5], 1.82e-6],
  ] as const) {
    const found = sampleRatio(units.map((count, i) => ({ units: count, share: shares[i] ?? 0 })));
    near((found?.p ?? 0) / p, 1, 0.005, `${units}`);
    assert.equal(found?.mismatch, p < 0.001);
  }
  near(
    sampleRatio([
      { units: 94_700, share: 0.95 },
      { units: 5300, share: 0.05 },
    ])?.chiSquare,
    18.947,
    0.001,
  );
  // An arm without a share takes no part; one arm alone, or too few units, say nothing.
  near(
    sampleRatio([
      { units: 135, share: 1 },
      { units: 115, share: 1 },
      { units: 9, share: 0 },
    ])?.p,
    0.205903211,
    1e-8,
  );
  assert.equal(sampleRatio([{ units: 1000, share: 1 }]), undefined);
  assert.equal(
    sampleRatio([
      { units: 5, share: 1 },
      { units: 4, share: 1 },
    ]),
    undefined,
  );
});

test('tails of chi-square hold over degrees of freedom', () => {
  near(chiSquareTail(3.841458820694124, 1), 0.05, 1e-9);
  near(chiSquareTail(5.991464547107979, 2), 0.05, 1e-9);
  near(chiSquareTail(16.918977604620448, 9), 0.05, 1e-9);
  near(chiSquareTail(10.827566170662733, 1), 0.001, 1e-9);
  assert.deepEqual([chiSquareTail(0, 3), chiSquareTail(-1, 3)], [1, 1]);
  assert.ok(chiSquareTail(1e5, 3) >= 0);
});

test('a size comes back from its bucket within half the growth', () => {
  for (const ms of [0.002, 0.5, 1, 7.3, 250, 60_000]) {
    for (const value of [ms, -ms]) near(sizeOf(bucketOf(value, LATENCY), LATENCY) / value, 1, 0.026, `${value}`);
  }
  assert.deepEqual([bucketOf(0, LATENCY), bucketOf(0.0009, LATENCY), sizeOf(0, LATENCY)], [0, 0, 0]);
  assert.ok(Number.isFinite(bucketOf(Number.POSITIVE_INFINITY, LATENCY)));
  assert.equal(bucketOf(Number.NaN, LATENCY), 0);
});

test('quantiles of signed sizes come from their buckets', () => {
  const counts = new Map<number, number>();
  for (let i = -400; i <= 600; i++) {
    const bucket = bucketOf(i / 10, LATENCY);
    counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
  }
  near((quantile(counts, 0.5, LATENCY) ?? 0) / 10, 1, 0.06);
  near((quantile(counts, 0.1, LATENCY) ?? 0) / -30, 1, 0.06);
  near((quantile(counts, 0.95, LATENCY) ?? 0) / 55, 1, 0.06);
  assert.equal(quantile(new Map(), 0.5, LATENCY), undefined);
});

test('a decimal of more digits than a double has is read with all of them', () => {
  for (const [text, units] of [
    ['10000000320000001.25', 10_000_000_320_000_001n],
    ['-123456789012345678901234', -123_456_789_012_345_678_901_234n],
    ['7', 7n],
    ['0', 0n],
  ] as const) {
    const { sum, rest } = exactlyIn(text);
    assert.equal(sum, Number(text));
    assert.equal(BigInt(sum) + BigInt(Math.floor(rest)), units, text);
  }
  assert.deepEqual(exactlyIn('0.5'), { sum: 0.5, rest: 0 });
  assert.ok(Math.abs(exactlyIn('10000000000.12345678901234567').rest) > 1e-9);
});
