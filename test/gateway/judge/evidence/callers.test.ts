import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CallerRates,
  compareGroups,
  NO_LOOKS,
  partOfLook,
  upperTail,
} from '../../../../gateway/judge/evidence/callers.ts';
import { emptyTally, GROUPS, type Traffic } from '../../../../gateway/judge/evidence/tally.ts';
import { randomFrom } from '../../decide/setup.ts';

test('the tail of the normal distribution is that of the tables', () => {
  const TABLE = [
    [0, 0.5],
    [1.6449, 0.04999],
    [1.959964, 0.025],
    [3.0902, 0.001],
    [5, 2.866516e-7],
    [-1.6449, 0.95001],
    [8, 6.220961e-16],
  ] as const;
  for (const [z, p] of TABLE) assert.ok(Math.abs(upperTail(z) / p - 1) < 2e-4, `${z}: ${upperTail(z)}`);
});

/** Rates of 64 groups with 1,000 requests each. */
function armOf(rates: readonly number[], requests = 1000) {
  const part = (of: (rate: number) => number) =>
    Float64Array.from({ length: GROUPS }, (_, i) => of(rates[i] ?? Number.NaN) || 0);
  return { requests: part((rate) => (Number.isNaN(rate) ? 0 : requests)), failed: part((rate) => rate * requests) };
}

test("the comparison of groups is Welch's test, one-sided", () => {
  // Means .27 and .2, variances .01 (x 20/19) and .0025 (x 20/19) of 20 groups each.
  const mine = armOf(Array.from({ length: 20 }, (_, i) => 0.27 + (i % 2 === 0 ? 0.1 : -0.1)));
  const theirs = armOf(Array.from({ length: 20 }, (_, i) => 0.2 + (i % 2 === 0 ? 0.05 : -0.05)));
  const look = compareGroups(mine, theirs, 1);
  // t = .07 / sqrt((.01 + .0025) / 19) = 2.7291 with 27.94 degrees of freedom: p = .00543 (scipy.stats.ttest_ind, equal_var=False).
  assert.ok(look);
  assert.ok(Math.abs(look.p - 0.00543) < 0.0002, `${look.p}`);
  assert.ok(Math.abs(look.candidate - 0.27) < 1e-9 && Math.abs(look.baseline - 0.2) < 1e-9);
  // 1.35 times as often is tolerated: nothing is left of it.
  assert.ok(Math.abs((compareGroups(mine, theirs, 1.35)?.p ?? 0) - 0.5) < 1e-6);
});

test('too few groups that asked, or that failed, say nothing', () => {
  const many = armOf(Array.from({ length: GROUPS }, (_, i) => 0.1 + 0.001 * (i % 3)));
  assert.ok(compareGroups(many, many, 1));
  const few = armOf(Array.from({ length: 19 }, () => 0.5));
  assert.equal(compareGroups(few, many, 1), undefined);
  assert.equal(compareGroups(many, few, 1), undefined);
  const four = armOf(Array.from({ length: GROUPS }, (_, i) => (i < 4 ? 0.9 : 0)));
  assert.equal(compareGroups(four, many, 1), undefined);
});

test('arms without any spread are certain, and give a number: everything fails, or nothing differs', () => {
  const everything = armOf(Array.from({ length: GROUPS }, () => 1));
  const nothing = armOf(Array.from({ length: GROUPS }, () => 0));
  assert.equal(compareGroups(everything, nothing, 1.5)?.p, 0);
  assert.equal(compareGroups(everything, everything, 1.5)?.p, 1);
  assert.equal(compareGroups(everything, everything, 1)?.p, 1);
});

test('one caller who always fails moves one group and proves nothing, however often he asks', () => {
  const alike = Array.from({ length: GROUPS }, (_, i) => 0.005 + 0.001 * (i % 5));
  const heavy = armOf(alike.map((rate, i) => (i === 7 ? 1 : rate)));
  const look = compareGroups(heavy, armOf(alike), 1.5);
  assert.ok(look && look.p > 0.1, `${look?.p}`);
});

test('the parts of all looks add up to less than 1, and the first forty share nine tenths evenly', () => {
  let sum = 0;
  for (let index = 0; index < 100_000; index++) sum += partOfLook(index);
  assert.ok(sum < 1 && sum > 0.99, `${sum}`);
  assert.equal(partOfLook(0), partOfLook(39));
  assert.ok(partOfLook(40) > 0);
});

test('looks are due after a minute and then at growing intervals, each with a number of its own', () => {
  const rates = new CallerRates();
  const dues: [number, number][] = [];
  let count = 0;
  for (let second = 1; second <= 600; second++) {
    const looks = rates.add(tick(0.02, 0.02), 1000, 1.5, count);
    for (const { index } of looks) {
      assert.equal(index, count++);
      dues.push([second, index]);
    }
  }
  // Two sets of sums, so two looks at a time: at 60, 75, 94, 118, ... seconds.
  assert.deepEqual(
    dues.filter((_, i) => i % 2 === 0).map(([second]) => second),
    [60, 75, 94, 118, 148, 185, 232, 290, 363, 454, 568],
  );
  assert.equal(new CallerRates().add(tick(0, 0), 1000, 1.5, 0), NO_LOOKS);
});

test('a candidate that turns bad after hours is seen by sums that begin anew', () => {
  const rates = new CallerRates();
  let count = 0;
  let least = 1;
  for (let minute = 0; minute < 240; minute++) {
    const isBad = minute >= 200;
    for (const { p, index } of rates.add(tick(isBad ? 0.04 : 0.01, 0.01), 60_000, 1.5, count)) {
      if (isBad) least = Math.min(least, p);
      count = Math.max(count, index + 1);
    }
  }
  assert.ok(least < 1e-4, `${least}`);
});

const random = randomFrom(5);

/** A tick in which each group asked some 200 times. */
function tick(mine: number, theirs: number): Traffic {
  const arm = (rate: number) => {
    const requests = Array.from({ length: GROUPS }, () => 200);
    const failed = requests.map((all) => Math.round(all * rate * 2 * random()));
    return { ...emptyTally(), groups: { requests, failed } };
  };
  return { candidate: arm(mine), baseline: arm(theirs), coin: 0.05 };
}
