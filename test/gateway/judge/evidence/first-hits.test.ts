import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  CountedUnits,
  countOf,
  FAILED,
  type FirstHits,
  type Limits,
  NO_HITS,
  OVER,
  SLOW,
} from '../../../../gateway/judge/evidence/first-hits.ts';
import { Memory } from '../../../../gateway/judge/evidence/memory.ts';
import { FAMILIES } from '../../../../gateway/judge/evidence/runs.ts';
import { emptyTally, type Hit, type Traffic } from '../../../../gateway/judge/evidence/tally.ts';
import { newRollout, type RolloutState } from '../../../../gateway/judge/rollout/state.ts';
import { randomFrom } from '../../decide/setup.ts';
import { failure, rolloutWith } from '../setup.ts';

const LIMITS: Limits = { edges: { cpu: [], gpu: [] }, timesAsSlow: 1.25, latencyP99Ms: undefined };
const RUNS = [0, 0, 0, 0];

function traffic(mine: readonly Hit[], theirs: readonly Hit[] = [], coin = 0.05): Traffic {
  return { candidate: { ...emptyTally(), hits: mine }, baseline: { ...emptyTally(), hits: theirs }, coin };
}

/** A memory that has begun. */
function begun(runs: readonly number[] = RUNS): CountedUnits {
  const units = new CountedUnits();
  assert.equal(units.take(traffic([]), runs, LIMITS, 1000).isNew, true);
  return units;
}

/** First failures by family of runs. */
function byFamily(hits: FirstHits, arm: 0 | 1 = 0, signal = FAILED): number[] {
  return FAMILIES.map((_, family) => countOf(hits, signal, family, arm));
}

test('a unit counts once in a run and again in the next, however often it fails', () => {
  const units = begun();
  const fails = (runs: readonly number[]) =>
    byFamily(units.take(traffic([failure(1), failure(1), failure(2)]), runs, LIMITS, 1000));
  assert.deepEqual(fails(RUNS), [2, 2, 2, 2]);
  assert.deepEqual(fails(RUNS), [0, 0, 0, 0]);
  assert.deepEqual(fails([1, 0, 0, 0]), [2, 0, 0, 0], 'another minute');
  assert.deepEqual(fails([11, 1, 0, 0]), [2, 2, 0, 0], 'another ten minutes');
});

test('a unit that fails in both arms counts in the one where it failed first: it belongs to one of them', () => {
  const units = begun();
  const hits = units.take(traffic([failure(1)], [failure(1), failure(2)]), RUNS, LIMITS, 1000);
  assert.deepEqual([byFamily(hits, 0)[3], byFamily(hits, 1)[3]], [1, 1]);
});

test('a memory that begins says so, and who failed in it counts again in the runs that then begin', () => {
  const units = new CountedUnits();
  const first = units.take(traffic([failure(1)]), RUNS, LIMITS, 1000);
  assert.deepEqual([first.isNew, first.failingUnits], [true, 1]);
  const next = units.take(traffic([failure(1)]), [1, 1, 1, 1], LIMITS, 1000);
  assert.deepEqual([next.isNew, byFamily(next)], [false, [1, 1, 1, 1]]);
});

test('who fails in a tick without a coin is new again when there is one', () => {
  const units = begun();
  assert.deepEqual(byFamily(units.take(traffic([failure(1)], [], 0), RUNS, LIMITS, 1000)), [1, 1, 1, 1]);
  assert.deepEqual(byFamily(units.take(traffic([failure(1)], [], 0), RUNS, LIMITS, 1000)), [0, 0, 0, 0]);
  assert.deepEqual(byFamily(units.take(traffic([failure(1)]), RUNS, LIMITS, 1000)), [1, 1, 1, 1]);
  for (let second = 0; second < 60; second++) units.take(traffic([], [], 0), RUNS, LIMITS, 1000);
  assert.deepEqual(byFamily(units.take(traffic([failure(1)], [], 0), RUNS, LIMITS, 1000))[0], 1, 'a minute later');
});

test('slowness is asked at edges: the candidate may be so many times as slow, the baseline not', () => {
  const slow = (unit: number, latencyMs: number, serverClass: 'cpu' | 'gpu' = 'cpu') =>
    failure(unit, { isError: false, latencyMs, serverClass });
  const limits = { ...LIMITS, edges: { cpu: [100, 200], gpu: [10, 20] }, latencyP99Ms: 500 };
  const mine = [slow(1, 110), slow(2, 130), slow(3, 260), slow(4, 600), slow(5, 15, 'gpu')];
  const hits = begun().take(traffic(mine, [slow(6, 110), slow(7, 210)]), RUNS, limits, 1000);
  const counts = (signal: number, arm: 0 | 1) =>
    (['cpu', 'gpu'] as const).map((kind) => countOf(hits, signal, 0, arm, kind));
  assert.deepEqual(counts(SLOW, 0), [3, 1]);
  assert.deepEqual(counts(SLOW + 1, 0), [2, 0]);
  assert.deepEqual(
    [counts(SLOW, 1), counts(SLOW + 1, 1)],
    [
      [2, 0],
      [1, 0],
    ],
  );
  assert.deepEqual(
    [counts(OVER, 0), counts(OVER, 1), counts(FAILED, 0)],
    [
      [1, 0],
      [0, 0],
      [0, 0],
    ],
  );
});

test('memory is bounded, and leaves units out in both arms alike', () => {
  const random = randomFrom(1);
  const units = begun();
  const crowd = (count: number) => Array.from({ length: count }, () => failure(Math.floor(random() * 2 ** 48)));
  let [mine, theirs, part] = [0, 0, 1];
  for (let second = 0; second < 60; second++) {
    const hits = units.take(traffic(crowd(500), crowd(1500)), RUNS, LIMITS, 1000);
    if (second >= 30) [mine, theirs] = [mine + countOf(hits, FAILED, 3, 0), theirs + countOf(hits, FAILED, 3, 1)];
    part = hits.part;
  }
  assert.ok(part === 1 / 8 || part === 1 / 16, `${part}`);
  const share = mine / (mine + theirs);
  assert.ok(Math.abs(share - 0.25) < 3 * Math.sqrt(0.1875 / (mine + theirs)), `${share} of ${mine + theirs}`);
});

test('the units that failed in the last half minute are counted, each once', () => {
  const units = begun();
  assert.equal(units.take(traffic([failure(1), failure(1), failure(2)]), RUNS, LIMITS, 1000).failingUnits, 2);
  assert.equal(units.take(traffic([failure(2)]), RUNS, LIMITS, 25_000).failingUnits, 2);
  assert.equal(units.take(traffic([]), RUNS, LIMITS, 6000).failingUnits, 1);
  assert.equal(units.take(traffic([]), RUNS, LIMITS, 25_000), NO_HITS);
});

const STEP: RolloutState = { ...newRollout('r', 'digits', 'v2', 'v1'), epoch: 1, phase: { name: 'step', step: 0 } };
const ROLLOUT = rolloutWith('steps: [5%], rollback: {}');

test('a move begins a new memory, and so does nothing else', () => {
  const memory = new Memory();
  const isNew = (state: RolloutState) => memory.observe(traffic([failure(1)]), state, ROLLOUT, 1000).hits.isNew;
  assert.deepEqual([isNew(STEP), isNew({ ...STEP, bakedMs: 5000 }), isNew({ ...STEP, epoch: 2 })], [true, false, true]);
});

test('nobody is noted before the first step, nor while the callers are with the baseline', () => {
  const memory = new Memory();
  const { hits, looks } = memory.observe(traffic([failure(1)]), { ...STEP, phase: { name: 'pending' } }, ROLLOUT, 1000);
  assert.deepEqual([hits, looks], [NO_HITS, []]);
});
