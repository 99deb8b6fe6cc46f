import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arms } from '../../../gateway/judge/arms.ts';
import type { Heard } from '../../../gateway/judge/counter.ts';
import { NO_COMPARISONS } from '../../../gateway/judge/disagreement.ts';
import { emptyHistogram } from '../../../gateway/judge/histogram.ts';
import { advance } from '../../../gateway/judge/rollout.ts';
import { newRollout, type RolloutState } from '../../../gateway/judge/state.ts';
import { randomFrom } from '../../bench/simulate.ts';
import { at, rolloutWith } from './setup.ts';

const ROLLOUT = rolloutWith('steps: [5% for 1h, 50% for 1h], rollback: {}');
const PENDING = newRollout('r', 'digits', 'v2', 'v1');
const FIRST: RolloutState = { ...PENDING, phase: { name: 'step', step: 0 } };
const SECOND: RolloutState = { ...PENDING, phase: { name: 'step', step: 1 } };

test('both arms forget their callers together, after a minute', () => {
  const arms = new Arms(FIRST, ROLLOUT);
  const hear = () => {
    arms.count('candidate', heard('ada', true));
    arms.count('baseline', heard('bob', true));
    return Object.values(arms.take(20_000)).map(({ errors }) => errors.unit.hits);
  };
  assert.deepEqual(
    [hear(), hear(), hear(), hear()],
    [
      [1, 1],
      [0, 0],
      [0, 0],
      [1, 1],
    ],
  );
});

test('when one arm has heard 200,000 callers the minute ends for both', () => {
  const arms = new Arms(FIRST, ROLLOUT);
  arms.count('candidate', heard('ada', false));
  for (let i = 0; i < 200_000; i++) arms.count('baseline', heard(`u${i}`, false));
  const atRisk = () => Object.values(arms.take(1000)).map(({ errors }) => errors.unit.trials);
  assert.deepEqual(
    [atRisk(), atRisk()],
    [
      [1, 200_000],
      [0, 0],
    ],
  );
});

test('a step and new edges begin afresh, and nothing else does', () => {
  const arms = new Arms(FIRST, ROLLOUT);
  const atRiskAfter = (state: RolloutState) => {
    arms.count('baseline', heard('bob', false));
    arms.take(1000);
    arms.follow(state, ROLLOUT);
    return arms.take(1000).baseline.errors.unit.trials;
  };
  assert.equal(
    atRiskAfter({ ...FIRST, bakedMs: 5000, epoch: 7, phase: { name: 'holding', step: 0, why: 'paused' } }),
    1,
  );
  assert.equal(atRiskAfter(SECOND), 0);
  assert.equal(atRiskAfter({ ...SECOND, edges: { cpu: [1, 2, 3, 4, 5], gpu: [] } }), 0);
});

/** Sticky callers, each three times a minute on average, of whom one request in fifty fails whatever the version. */
test('callers whom a step moves in the middle of a minute are not held against the candidate', () => {
  let state = PENDING;
  const evidence: number[] = [];
  for (let seed = 1; seed <= 5; seed++) {
    const random = randomFrom(seed);
    const arms = new Arms(PENDING, ROLLOUT);
    state = PENDING;
    for (let second = 0; second < 110; second++) {
      // Nobody has the candidate at first; the steps begin in the middle of a minute.
      const share = second < 35 ? 0 : second < 70 ? 0.05 : 0.5;
      for (let i = 0; i < 500; i++) {
        const caller = Math.floor(random() * 10_000);
        arms.count(caller < share * 10_000 ? 'candidate' : 'baseline', heard(`u${caller}`, random() < 0.02));
      }
      const traffic = arms.take(1000);
      if (second === 34 || second === 69) state = second === 34 ? FIRST : { ...state, phase: SECOND.phase };
      else if (second > 34) state = advance(state, observed(traffic), ROLLOUT, moment(second)).state;
      arms.follow(state, ROLLOUT);
      const [reading] = (state.verdict?.readings ?? []).filter(({ guard }) => guard === 'errors_versus_baseline');
      evidence.push(reading?.evidence ?? 0);
    }
    assert.equal(state.phase.name, 'step');
  }
  assert.ok(Math.max(...evidence) < 20, `${Math.max(...evidence)}`);
});

test('a hundred busy callers are enough to see a candidate fail: one error each is evidence', () => {
  const random = randomFrom(1);
  const arms = new Arms(FIRST, ROLLOUT);
  let state = FIRST;
  let second = 0;
  while (state.phase.name === 'step' && ++second < 60) {
    for (let i = 0; i < 100; i++) {
      const caller = Math.floor(random() * 100); // five of a hundred have the candidate
      const isMine = caller < 5;
      arms.count(isMine ? 'candidate' : 'baseline', heard(`u${caller}`, random() < (isMine ? 0.2 : 0.005)));
    }
    state = advance(state, observed(arms.take(1000)), ROLLOUT, moment(second)).state;
  }
  assert.equal(state.phase.name, 'rolled_back');
  assert.ok(second <= 15, `${second} s`);
});

function observed(traffic: ReturnType<Arms['take']>) {
  const recent = { cpu: emptyHistogram(), gpu: emptyHistogram() };
  return { traffic, comparisons: NO_COMPARISONS, recent, isReady: true, capacity: 1 };
}

function moment(second: number) {
  return { elapsedMs: 1000, at: at(second), isAutomatic: true };
}

function heard(unit: string, isError: boolean): Heard {
  const kind = isError ? 'model_fault' : 'ok';
  return { id: unit, unit, attempt: 1, serverClass: 'cpu', class: kind, fault: undefined, latencyMs: 10 };
}
