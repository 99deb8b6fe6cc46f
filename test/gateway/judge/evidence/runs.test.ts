import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logRatios } from '../../../../gateway/judge/evidence/coin.ts';
import {
  addLogs,
  BLOCK_MS,
  beginRuns,
  type Clock,
  closeBlock,
  closeRuns,
  evidenceIn,
  FAMILIES,
  MOST,
  NEW_CLOCK,
  NO_ODDS,
  type Odds,
  passTime,
} from '../../../../gateway/judge/evidence/runs.ts';
import { randomFrom } from '../../decide/setup.ts';

test('the clock begins a new run of a family when its time is over, and never one of the whole rollout', () => {
  let clock = NEW_CLOCK;
  for (let second = 0; second < 3600; second++) clock = passTime(clock, 1000);
  assert.deepEqual(clock.runs, [60, 6, 1, 0]);
  assert.deepEqual(clock.ages, [0, 0, 0, 3_600_000]);
});

test('a memory that was lost begins a run in every family; where none has begun nothing changes', () => {
  assert.deepEqual(beginRuns(NEW_CLOCK), NEW_CLOCK);
  const begun = beginRuns(passTime(NEW_CLOCK, 1000));
  assert.deepEqual([begun.runs, begun.ages], [FAMILIES.map(() => 1), FAMILIES.map(() => 0)]);
});

test('the weights of all runs that there ever are add up to 1, and half of that is under way at first', () => {
  assert.equal(evidenceIn(NO_ODDS, NEW_CLOCK, false), 0.5);
  let [clock, odds]: [Clock, Odds] = [NEW_CLOCK, NO_ODDS];
  let last = 0;
  for (let i = 0; i < 10_000; i++) {
    const next = beginRuns(passTime(clock, 1));
    [odds, clock] = [closeRuns(odds, clock, next, false), next];
    const value = evidenceIn(odds, clock, false);
    assert.ok(value > last && value <= 1 + 1e-12);
    last = value;
  }
  assert.ok(last > 0.9998, `${last}`);
});

test('runs are averaged and never multiplied: two runs of the same evidence are worth less than twice one', () => {
  const logs = FAMILIES.map(() => [5, 5]);
  const one = addLogs(NO_ODDS, logs);
  const next = beginRuns(passTime(NEW_CLOCK, 1));
  const closed = closeRuns(one, NEW_CLOCK, next, false);
  const two = evidenceIn(addLogs(closed, logs), next, false);
  const first = evidenceIn(one, NEW_CLOCK, false);
  near(first, 0.5 * Math.exp(5));
  near(two, (1 / 2 + 1 / 6) * Math.exp(5));
});

test('a run that ends keeps what it found, and only the families that ended begin anew', () => {
  const odds = closeBlock(
    addLogs(
      NO_ODDS,
      FAMILIES.map((_, family) => [family]),
    ),
    false,
  );
  let clock = NEW_CLOCK;
  for (let i = 0; i < 59; i++) clock = passTime(clock, 1000);
  assert.equal(closeRuns(odds, NEW_CLOCK, clock, false), odds);
  const after = passTime(clock, 1000);
  const closed = closeRuns(odds, clock, after, false);
  assert.deepEqual(closed.logs, [[], [1], [2], [3]]);
  near(closed.ended, 1 / 8);
});

test('evidence without an end stays a number that JSON can say', () => {
  const endless = addLogs(
    NO_ODDS,
    FAMILIES.map(() => [1e6, 1e6]),
  );
  assert.equal(evidenceIn(endless, NEW_CLOCK, false), MOST);
  const next = beginRuns(passTime(NEW_CLOCK, 1));
  const closed = closeRuns(endless, NEW_CLOCK, next, false);
  assert.deepEqual(JSON.parse(JSON.stringify(closed)), closed);
  assert.equal(evidenceIn(closed, next, false), MOST);
});

/**
 * Versions alike: each unit that is hit belongs to the candidate by the coin alone. The runs see the same units, as they do in
 * truth, at shares that change; after each tick someone looks.
 */
test('with identical versions the evidence ever reaches 1/a with a probability of at most a', () => {
  const LEVELS = [4, 10, 25];
  const reached = LEVELS.map(() => 0);
  const RUNS = 3000;
  let ends = 0;
  for (let seed = 1; seed <= RUNS; seed++) {
    const most = highest(randomFrom(seed), (value) => {
      ends += value;
    });
    for (const [i, level] of LEVELS.entries()) if (most >= level) reached[i] = (reached[i] ?? 0) + 1;
  }
  for (const [i, level] of LEVELS.entries()) {
    const part = (reached[i] ?? 0) / RUNS;
    const spread = 3 * Math.sqrt(((1 / level) * (1 - 1 / level)) / RUNS);
    assert.ok(part <= 1 / level + spread, `${part} reached ${level}`);
  }
  // The tolerated ratio is 1 here, so the mean is just below 1 at any fixed time.
  const mean = ends / RUNS;
  assert.ok(mean > 0.5 && mean < 1.2, `the mean at the end is ${mean}`);
});

function highest(random: () => number, atEnd: (value: number) => void): number {
  let [clock, odds, most]: [Clock, Odds, number] = [NEW_CLOCK, NO_ODDS, 0];
  for (let tick = 0; tick < 60; tick++) {
    const coin = tick < 30 ? 0.05 : 0.3;
    const all = Math.floor(4 * random());
    let mine = 0;
    for (let i = 0; i < all; i++) if (random() < coin) mine++;
    const logs = all === 0 ? [] : logRatios(mine, all, coin, 1);
    odds = addLogs(
      odds,
      FAMILIES.map(() => logs),
    );
    const next = passTime(clock, 10_000);
    [odds, clock] = [closeRuns(odds, clock, next, false), next];
    most = Math.max(most, evidenceIn(odds, clock, false));
  }
  atEnd(evidenceIn(odds, clock, false));
  return most;
}

function near(actual: number, wanted: number): void {
  assert.ok(Math.abs(actual - wanted) <= 1e-9 * Math.abs(wanted), `${actual} is not ${wanted}`);
}

test('where evidence is bounded a burst is worth five to one a block, however large it is, and blocks multiply', () => {
  const burst = FAMILIES.map(() => [100]);
  const one = addLogs(NO_ODDS, burst);
  near(evidenceIn(one, NEW_CLOCK, true), 0.5 * 5);
  near(evidenceIn(one, NEW_CLOCK, false), Math.min(MOST, 0.5 * Math.exp(100)));
  const two = addLogs(closeBlock(one, true), burst);
  near(evidenceIn(two, NEW_CLOCK, true), 0.5 * 25);
  const against = addLogs(
    closeBlock(one, true),
    FAMILIES.map(() => [-3]),
  );
  near(evidenceIn(against, NEW_CLOCK, true), 0.5 * 5 * Math.exp(-3));
});

test('a block lasts three seconds, and ends with its run', () => {
  let clock = NEW_CLOCK;
  const ages: number[] = [];
  for (let second = 0; second < 4; second++) {
    clock = passTime(clock, 1000);
    ages.push(clock.blockMs);
  }
  assert.deepEqual(ages, [1000, 2000, 0, 1000]);
  assert.equal(BLOCK_MS, 3000);
  assert.equal(beginRuns(clock).blockMs, 0);
});
