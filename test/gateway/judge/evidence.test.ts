import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evidenceAbove, logBelow, upperBound } from '../../../gateway/judge/absolute.ts';
import { partOf, riskOf, weighedGuards } from '../../../gateway/judge/budget.ts';
import { advanceValues, detect, evidenceOf, FRESH } from '../../../gateway/judge/detector.ts';
import { addVectors, logMean } from '../../../gateway/judge/mixture.ts';
import { addEvidence, isNoWorse, logNoWorse, NO_PROMOTION } from '../../../gateway/judge/promotion.ts';
import type { Signal } from '../../../gateway/judge/tally.ts';
import { evidenceVersus, logRatios } from '../../../gateway/judge/versus-baseline.ts';
import { rolloutWith, signal } from './setup.ts';
import { ABSOLUTE, DETECTOR, PROMOTION, RELATIVE } from './vectors.ts';

test('the evidence against the baseline is the published mixture, over any number of steps', () => {
  for (const { steps, tolerated, logE } of RELATIVE) {
    const ratios = steps.map(([hits, all, share]) => logRatios(hits, all, share, tolerated));
    near(logMean(ratios.reduce(addVectors)), logE);
  }
});

test('the evidence above a ceiling is the published mixture', () => {
  for (const { errors, requests, max, logE } of ABSOLUTE)
    near(logMean(evidenceAbove({ trials: requests, hits: errors }, max)), logE);
});

test('the evidence for a promotion is the published likelihood ratio', () => {
  for (const { errors, all, share, ratio, logE } of PROMOTION) near(logNoWorse(errors, all, share, ratio), logE);
});

test('with a weight of 1 a tick the detector is that of Shiryaev and Roberts', () => {
  let values: readonly number[] = [];
  for (const [i, [hits, all, share]] of DETECTOR.ticks.entries()) {
    values = advanceValues(values, 1, logRatios(hits, all, share, DETECTOR.tolerated));
    near(values.reduce((sum, value) => sum + value, 0) / values.length, DETECTOR.meanAfterTick[i] ?? Number.NaN);
  }
});

test('evidence against the baseline is an e-value: its mean is at most 1 as long as the ratio is tolerated', () => {
  for (const ratio of [0.2, 1, 1.5])
    for (const share of [0.01, 0.05, 0.5, 0.99])
      for (const all of [1, 2, 7]) {
        const theta = (ratio * share) / (1 - share + ratio * share);
        const mean = expected(all, theta, (hits) => logMean(logRatios(hits, all, share, 1.5)));
        assert.ok(mean <= 1 + 1e-12, `ratio ${ratio}, share ${share}, ${all} errors: ${mean}`);
      }
});

test('evidence about a limit is an e-value on its side of the limit', () => {
  for (const limit of [0.001, 0.02, 0.5, 0.9])
    for (const trials of [1, 5, 40]) {
      const above = (rate: number) => expected(trials, rate, (hits) => logMean(evidenceAbove({ trials, hits }, limit)));
      const below = (rate: number) => expected(trials, rate, (hits) => logBelow({ trials, hits }, limit));
      for (const part of [0, 0.5, 1]) assert.ok(above(part * limit) <= 1 + 1e-12);
      for (const rate of [limit, (1 + limit) / 2]) assert.ok(below(rate) <= 1 + 1e-12);
    }
});

test('the parts of the risk add up to at most 1 over all steps and ticks', () => {
  let sum = 0;
  for (let step = 0; step < 100; step++) for (let tick = 0; tick < 2000; tick++) sum += partOf(step, tick);
  assert.ok(sum <= 1 && sum > 0.9, `${sum}`);
  assert.equal(partOf(0, 0).toFixed(3), '0.529');
});

test('the guards of a policy share its false_alarm, whichever there are', () => {
  for (const guards of ['', 'error_rate: 2%', 'error_rate: 2%, latency_p99: 1s, disagreement: 3%, false_alarm: 5%']) {
    const compiled = rolloutWith(`steps: [5%], rollback: { ${guards} }`).guards;
    assert.ok(compiled);
    const sum = weighedGuards(compiled).reduce((total, guard) => total + riskOf(guard, compiled), 0);
    near(sum, compiled.falseAlarm);
  }
});

test('a detector that sees nothing for or against has spent what it weighs', () => {
  let detector = FRESH;
  for (let tick = 0; tick < 50; tick++) detector = detect(detector, tick < 25 ? 0 : 1, [0, 0, 0]);
  near(evidenceOf(detector), detector.spent);
  assert.equal(detector.ticks, 25);
});

test('an outage of a million failures in a tick neither overflows nor leaves the numbers of JSON', () => {
  const detector = detect(FRESH, 0, evidenceVersus(signal(1e6, 1e6), signal(1e7, 0), 1.5));
  assert.deepEqual(JSON.parse(JSON.stringify(detector)), detector);
  assert.ok(evidenceOf(detect(detector, 0, logRatios(0, 1e6, 0.5, 1.5))) < 1);
});

test('callers and requests without a caller are two strata: one that only one side has tells nothing', () => {
  const keyed: Signal = { ...signal(0, 0), unit: { trials: 5, hits: 3 } };
  const others: Signal = { ...signal(0, 0), unit: { trials: 95, hits: 0 } };
  const bulk: Signal = { ...others, request: { trials: 5000, hits: 40 } };
  assert.deepEqual(evidenceVersus(keyed, bulk, 1.5), evidenceVersus(keyed, others, 1.5));
  assert.ok(Math.max(...evidenceVersus(keyed, others, 1.5)) > 5);
});

test('the upper bound of a rate is what the classical bound is, a little wider for looking at any time', () => {
  // No error in n requests: the classical bound at 5 % is about 3/n.
  for (const trials of [100, 1000, 10_000]) {
    const bound = upperBound({ trials, hits: 0 }, 0.05);
    assert.ok(bound > 3 / trials && bound < 6 / trials, `${trials}: ${bound}`);
  }
  assert.ok(upperBound({ trials: 1000, hits: 10 }, 0.05) > 0.017);
  assert.ok(upperBound({ trials: 1000, hits: 10 }, 0.05) < 0.025);
  assert.equal(upperBound({ trials: 0, hits: 0 }, 0.05), 1);
  assert.ok(upperBound({ trials: 3, hits: 3 }, 0.05) >= 0.999);
});

const PROMOTIONS = [
  // requests, errors, baseline's requests, errors, ceiling, what is said
  ['an errorless candidate after 100 requests', [100, 0], [1900, 0], 0.02, 'not yet'],
  ['an errorless candidate after 400 requests', [400, 0], [7600, 0], 0.02, 'below ceiling'],
  ['an errorless candidate after 300 requests, without a ceiling', [300, 0], [5700, 0], undefined, 'not yet'],
  [
    'an errorless candidate after 1,000 requests, without a ceiling',
    [1000, 0],
    [19_000, 0],
    undefined,
    'below ceiling',
  ],
  ['as good as the baseline, many errors', [30_000, 150], [90_000, 450], 0.02, 'compared'],
  ['worse than tolerated, many errors, below the ceiling', [30_000, 300], [90_000, 450], 0.02, 'not yet'],
] as const;

for (const [what, [requests, errors], [others, othersErrors], ceiling, said] of PROMOTIONS) {
  test(`for a promotion, ${what} is ${said}`, () => {
    const promotion = addEvidence(NO_PROMOTION, signal(requests, errors), signal(others, othersErrors), 1.5);
    assert.equal(isNoWorse(promotion, ceiling), said);
  });
}

/** The mean of exp(log(hits)) for binomial hits. */
function expected(trials: number, p: number, log: (hits: number) => number): number {
  let mean = 0;
  let choose = 1;
  for (let hits = 0; hits <= trials; hits++) {
    const weight = choose * p ** hits * (1 - p) ** (trials - hits);
    if (weight > 0) mean += weight * Math.exp(log(hits));
    choose = (choose * (trials - hits)) / (hits + 1);
  }
  return mean;
}

function near(actual: number, wanted: number): void {
  assert.ok(Math.abs(actual - wanted) <= 1e-9 * Math.max(1e-12, Math.abs(wanted)), `${actual} is not ${wanted}`);
}
