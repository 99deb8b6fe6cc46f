import assert from 'node:assert/strict';
import { test } from 'node:test';
import { binomialCdf, upperLimit } from '../../../gateway/tune/binomial.ts';
import { allowedLosses, certify, withinBudget } from '../../../gateway/tune/learn-then-test.ts';
import { THRESHOLDS } from '../../../gateway/tune/thresholds.ts';
import { leastPairs } from '../../../gateway/tune/tune.ts';
import { seeded } from '../../../model-server/training/random.ts';

test('the losses that are allowed are those of the published table', () => {
  // facts/tiering.md E3, at delta 5 %: pairs, risk, losses.
  for (const [n, risk, losses] of [
    [100, 0.05, 1],
    [200, 0.05, 4],
    [500, 0.05, 16],
    [1000, 0.05, 38],
    [2000, 0.05, 83],
    [500, 0.02, 4],
    [2000, 0.02, 29],
    [500, 0.01, 1],
  ] as const)
    assert.equal(allowedLosses(n, risk, 0.05), losses, `${n} pairs at ${risk}`);
  assert.equal(allowedLosses(58, 0.05, 0.05), -1);
  assert.equal(allowedLosses(59, 0.05, 0.05), 0);
  assert.equal(leastPairs(0.05, 0.05), 59);
});

test('the binomial distribution and its upper limits are exact', () => {
  assert.ok(Math.abs(binomialCdf(1, 3, 0.5) - 0.5) < 1e-12);
  assert.ok(Math.abs(binomialCdf(3, 10, 0.2) - 0.8791261184) < 1e-10);
  assert.ok(Math.abs(binomialCdf(83, 2000, 0.05) - 0.04231466007700763) < 1e-9);
  // By hand: (1 - p)^n = 0.05 at no loss.
  assert.ok(Math.abs(upperLimit(0, 100, 0.95) - (1 - 0.05 ** 0.01)) < 1e-9);
  // The figure of E3: 70 of 2,000 are at most 4.25 %.
  assert.ok(Math.abs(upperLimit(70, 2000, 0.95) - 0.0425) < 5e-4);
  for (const [k, n] of [
    [0, 50],
    [7, 100],
    [400, 100_000],
  ] as const)
    assert.ok(Math.abs(binomialCdf(k, n, upperLimit(k, n, 0.95)) - 0.05) < 1e-6);
});

test('of a thousand tunings at most delta break their promise', (t) => {
  const [risk, delta, pairs] = [0.05, 0.05, 500];
  const random = seeded(20_261_125);
  let broken = 0;
  let sum = 0;
  for (let tuning = 0; tuning < 1000; tuning++) {
    // Confidence is even on [0.5, 1], and an answer is lost with probability 0.9 (1 - confidence).
    const cases = Array.from({ length: pairs }, () => {
      const confidence = 0.5 + random() / 2;
      return { confidence, isLoss: random() < 0.9 * (1 - confidence) };
    });
    const threshold = certify(cases, risk, delta).chosen?.threshold ?? 1;
    sum += threshold;
    // What is lost for ever after: the integral of 2 * 0.9 (1 - c) from the threshold to 1.
    if (0.9 * (1 - Math.max(0.5, threshold)) ** 2 > risk) broken++;
  }
  t.diagnostic(
    `${broken} of 1,000 tunings broke their promise, ${delta * 1000} may; mean threshold ${(sum / 1000).toFixed(3)}`,
  );
  assert.ok(broken <= delta * 1000);
  assert.ok(broken > 0, 'a bound that is never reached is not tight');
});

test('an answer that says nothing of itself is never kept, and too few pairs certify nothing', () => {
  const silent = Array.from({ length: 200 }, () => ({ confidence: undefined, isLoss: true }));
  const { chosen } = certify(silent, 0.05, 0.05);
  assert.deepEqual([chosen?.threshold, chosen?.escalated, chosen?.losses], [0, 200, 0]);
  assert.equal(certify(silent.slice(0, 50), 0.05, 0.05).chosen, undefined);
  assert.equal(certify([], 0.05, 0.05).chosen, undefined);
});

test('testing stops at the first threshold that fails, whatever follows', () => {
  const cases = Array.from({ length: 1000 }, (_, i) => ({ confidence: i < 50 ? 0.95 : 0.5, isLoss: i < 50 }));
  const { chosen, rows } = certify(cases, 0.02, 0.05);
  assert.equal(chosen?.threshold, 0.96);
  assert.equal(rows.filter(({ isCertified }) => isCertified).at(-1), chosen);
});

test('a budget gives the strictest threshold that keeps to it', () => {
  const cases = Array.from({ length: 100 }, (_, i) => ({ confidence: i / 100, isLoss: false }));
  const { rows } = certify(cases, 0.05, 0.05);
  assert.equal(withinBudget(rows, 100, 0.2)?.threshold, 0.2);
  assert.equal(withinBudget(rows, 100, 0.2)?.escalated, 20);
});

test('thresholds go down, from 1 to 0, in steps that people would write', () => {
  assert.deepEqual([THRESHOLDS[0], THRESHOLDS.at(-1)], [1, 0]);
  assert.ok(THRESHOLDS.every((each, i) => i === 0 || each < (THRESHOLDS[i - 1] ?? 0)));
  assert.ok(THRESHOLDS.includes(0.97) && THRESHOLDS.includes(0.995) && THRESHOLDS.includes(0.9999));
});
