import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logRatios } from '../../../gateway/judge/evidence/coin.ts';
import { addVectors, logMean } from '../../../gateway/judge/evidence/mixture.ts';
import { evidenceAbove, logBelow, upperBound } from '../../../gateway/judge/verdict/absolute.ts';
import { neededToEnd, neededToSuspend, partOf, riskOf, weighedGuards } from '../../../gateway/judge/verdict/budget.ts';
import { advanceValues, detect, emptied, evidenceOf, FRESH } from '../../../gateway/judge/verdict/detector.ts';
import {
  addEvidence,
  type Failed,
  isNoWorse,
  logNoWorse,
  NO_PROMOTION,
} from '../../../gateway/judge/verdict/promotion.ts';
import { rolloutWith } from './setup.ts';
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
    for (const coin of [0.01, 0.05, 0.5, 0.67, 0.99])
      for (const all of [1, 2, 7]) {
        const p = (ratio * coin) / (1 - coin + ratio * coin);
        const mean = expected(all, p, (hits) => logMean(logRatios(hits, all, coin, 1.5)));
        assert.ok(mean <= 1 + 1e-12, `ratio ${ratio}, coin ${coin}, ${all} errors: ${mean}`);
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
    const compiled = guardsOf(guards);
    const sum = weighedGuards(compiled).reduce((total, guard) => total + riskOf(guard, compiled), 0);
    near(sum, compiled.falseAlarm);
  }
});

test('all probes of all guards together may end a good candidate with no more than false_alarm', () => {
  const guards = guardsOf('error_rate: 2%, latency_p99: 1s, disagreement: 3%');
  let sum = 0;
  for (const guard of weighedGuards(guards))
    for (let probe = 1; probe <= 10_000; probe++) sum += 1 / neededToEnd(guard, guards, probe);
  assert.ok(sum <= guards.falseAlarm && sum > 0.99 * guards.falseAlarm, `${sum}`);
});

test('each suspension that was nothing makes the next one need more, and all of them share one risk', () => {
  const needed = [0, 1, 2, 3].map(neededToSuspend);
  assert.deepEqual(needed, [25, 75, 150, 250]);
  let sum = 0;
  for (let acquittals = 0; acquittals < 10_000; acquittals++) sum += 1 / neededToSuspend(acquittals);
  assert.ok(sum <= 2 / 25 && sum > 0.079, `${sum}`);
});

test('a detector that sees nothing for or against has spent what it weighs', () => {
  let detector = FRESH;
  for (let tick = 0; tick < 50; tick++) detector = detect(detector, tick < 25 ? 0 : 1, [0, 0, 0]);
  near(evidenceOf(detector), detector.spent);
  assert.equal(detector.ticks, 25);
});

test('a detector that is emptied has no evidence and gets back nothing of the risk it spent', () => {
  const grown = detect(FRESH, 0, [3, 4]);
  const empty = emptied(grown);
  assert.equal(evidenceOf(empty), 0);
  assert.deepEqual([empty.spent, empty.ticks, empty.step], [grown.spent, 1, 0]);
});

test('an outage of a million failures in a tick neither overflows nor leaves the numbers of JSON', () => {
  const detector = detect(FRESH, 0, logRatios(1e6, 1e6, 0.05, 1.5));
  assert.deepEqual(JSON.parse(JSON.stringify(detector)), detector);
  assert.ok(evidenceOf(detector) > 1e9);
  assert.ok(evidenceOf(detect(detector, 0, logRatios(0, 1e6, 0.5, 1.5))) < 1);
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
  // candidate's requests and failing units, the baseline's failing units, share, ceiling, what is said
  ['an errorless candidate after 100 requests', [100, 0], 0, 0.02, 'not yet'],
  ['an errorless candidate after 400 requests', [400, 0], 0, 0.02, 'below ceiling'],
  ['an errorless candidate after 300 requests, without a ceiling', [300, 0], 0, undefined, 'not yet'],
  ['an errorless candidate after 1,000 requests, without a ceiling', [1000, 0], 0, undefined, 'below ceiling'],
  ['as good as the baseline, many errors', [30_000, 150], 450, 0.02, 'compared'],
  ['worse than tolerated, many errors, below the ceiling', [30_000, 300], 450, 0.02, 'not yet'],
] as const;

for (const [what, [trials, mine], theirs, ceiling, said] of PROMOTIONS) {
  test(`for a promotion, ${what} is ${said}`, () => {
    assert.equal(isNoWorse(addEvidence(NO_PROMOTION, failed(trials, mine, theirs)), ceiling), said);
  });
}

test('evidence for a promotion adds up over ticks, and a tick without failures only counts requests', () => {
  const one = addEvidence(NO_PROMOTION, failed(100, 3, 10));
  const two = addEvidence(one, failed(50, 0, 0));
  assert.deepEqual([two.log, two.expected, two.counted], [one.log, one.expected, { trials: 150, hits: 3 }]);
  near(addEvidence(one, failed(100, 3, 10)).log, 2 * one.log);
  // A candidate with as many failures as its part of the callers is just as good: that is what is expected.
  const alike = addEvidence(NO_PROMOTION, failed(100, 5, 15));
  near(alike.log, alike.expected);
});

test('there are as many log ratios as alternatives, also where nobody was hit', () => {
  assert.deepEqual(logRatios(0, 0, 0.05, 1.5), new Array(8).fill(0));
});

function failed(trials: number, mine: number, theirs: number): Failed {
  return { mine, theirs, coin: 0.25, ratio: 1.5, counted: { trials, hits: mine } };
}

function guardsOf(guards: string) {
  const compiled = rolloutWith(`steps: [5%], rollback: { ${guards} }`).guards;
  assert.ok(compiled);
  return compiled;
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
