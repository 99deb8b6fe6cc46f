import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Arms } from '../../../../gateway/judge/evidence/arms.ts';
import { MOST_HITS } from '../../../../gateway/judge/evidence/counter.ts';
import { NO_COMPARISONS } from '../../../../gateway/judge/evidence/disagreement.ts';
import { emptyHistogram } from '../../../../gateway/judge/evidence/histogram.ts';
import { Memory } from '../../../../gateway/judge/evidence/memory.ts';
import type { Observation } from '../../../../gateway/judge/evidence/observation.ts';
import type { Heard } from '../../../../gateway/judge/evidence/outcome.ts';
import type { Traffic } from '../../../../gateway/judge/evidence/tally.ts';
import { advance } from '../../../../gateway/judge/rollout/rollout.ts';
import { newRollout, type RolloutState } from '../../../../gateway/judge/rollout/state.ts';
import { randomFrom } from '../../decide/setup.ts';
import { at, rolloutWith } from '../setup.ts';

const NO_BODY = new Uint8Array();
const ROLLOUT = rolloutWith('steps: [5% for 1h, 50% for 1h], rollback: {}');
const PENDING = newRollout('r', 'digits', 'v2', 'v1');
const FIRST: RolloutState = { ...PENDING, epoch: 1, phase: { name: 'step', step: 0 } };
const SECOND: RolloutState = { ...FIRST, epoch: 2, phase: { name: 'step', step: 1 } };

test('each arm counts its own, and the coin is that of the tick', () => {
  const arms = new Arms();
  arms.count('candidate', heard(1, true), NO_BODY);
  arms.count('baseline', heard(2, false), NO_BODY);
  const { candidate, baseline, coin } = arms.take(0.05);
  assert.deepEqual([candidate.judged, baseline.judged, coin], [{ trials: 1, hits: 1 }, { trials: 1, hits: 0 }, 0.05]);
});

test('what was counted when callers are sorted anew says nothing of the arms from then on', () => {
  const arms = new Arms();
  arms.count('candidate', heard(1, true), NO_BODY);
  arms.count('baseline', heard(2, true), NO_BODY);
  arms.restart();
  const { candidate, baseline } = arms.take(0.05);
  assert.deepEqual([candidate.judged.trials, baseline.judged.trials, candidate.hits, baseline.hits], [0, 0, [], []]);
});

test('a tick in which one arm has more hits than are kept is no fair sample: it has no coin', () => {
  const arms = new Arms();
  for (let unit = 0; unit < MOST_HITS - 1; unit++) arms.count('baseline', heard(unit, true), NO_BODY);
  assert.equal(arms.take(0.05).coin, 0.05);
  for (let unit = 0; unit <= MOST_HITS; unit++) arms.count('baseline', heard(unit, true), NO_BODY);
  const { coin, baseline } = arms.take(0.05);
  assert.deepEqual([coin, baseline.hits.length, baseline.judged.hits], [0, MOST_HITS, MOST_HITS + 1]);
});

test('both arms keep what is slower than the first edge of the class, or than the ceiling', () => {
  const arms = new Arms();
  const kept = (rollout: typeof ROLLOUT, edges: RolloutState['edges']) => {
    arms.follow({ ...FIRST, edges }, rollout);
    for (const arm of ['candidate', 'baseline'] as const)
      for (const latencyMs of [50, 150, 300]) arms.count(arm, { ...heard(1, false), latencyMs }, NO_BODY);
    const { candidate, baseline } = arms.take(0.05);
    assert.equal(candidate.hits.length, baseline.hits.length);
    return candidate.hits.map(({ latencyMs }) => latencyMs);
  };
  const ceiling = rolloutWith('steps: [5%], rollback: { latency_p99: 250ms }');
  assert.deepEqual(kept(ROLLOUT, { cpu: [], gpu: [] }), []);
  assert.deepEqual(kept(ROLLOUT, { cpu: [100, 200], gpu: [10, 20] }), [150, 300]);
  assert.deepEqual(kept(ceiling, { cpu: [], gpu: [] }), [300]);
  assert.deepEqual(kept(ceiling, { cpu: [100, 200], gpu: [] }), [150, 300]);
});

/** Sticky callers, each three times a minute on average, of whom one request in fifty fails whatever the version. */
test('callers whom a step moves in the middle of a minute are not held against the candidate', () => {
  let highest = 0;
  for (let seed = 1; seed <= 5; seed++) {
    const random = randomFrom(seed);
    const [arms, memory] = [new Arms(), new Memory()];
    let state = PENDING;
    for (let second = 0; second < 110; second++) {
      // Nobody has the candidate at first; the steps begin in the middle of a minute.
      const share = second < 35 ? 0 : second < 70 ? 0.05 : 0.5;
      for (let i = 0; i < 500; i++) {
        const caller = Math.floor(random() * 10_000);
        const arm = caller < share * 10_000 ? 'candidate' : 'baseline';
        arms.count(arm, heard(caller, random() < 0.02), NO_BODY);
      }
      const traffic = arms.take(share);
      if (second === 34 || second === 69) state = second === 34 ? FIRST : { ...state, phase: SECOND.phase, epoch: 2 };
      else if (second > 34) state = advance(state, observed(memory, traffic, state), ROLLOUT, moment(second)).state;
      arms.follow(state, ROLLOUT);
      highest = Math.max(
        highest,
        state.verdict?.readings.find(({ guard }) => guard === 'errors_versus_baseline')?.evidence ?? 0,
      );
    }
    assert.equal(state.phase.name, 'step');
  }
  assert.ok(highest < 20, `${highest}`);
});

test('a hundred busy callers are enough to see a candidate fail', () => {
  const random = randomFrom(1);
  const [arms, memory] = [new Arms(), new Memory()];
  let state = FIRST;
  let second = 0;
  while (state.phase.name === 'step' && ++second < 60) {
    for (let i = 0; i < 100; i++) {
      const caller = Math.floor(random() * 100); // five of a hundred have the candidate
      const isMine = caller < 5;
      arms.count(isMine ? 'candidate' : 'baseline', heard(caller, random() < (isMine ? 0.2 : 0.005)), NO_BODY);
    }
    state = advance(state, observed(memory, arms.take(0.05), state), ROLLOUT, moment(second)).state;
  }
  assert.equal(state.phase.name, 'suspended');
  assert.ok(second <= 15, `${second} s`);
});

function observed(memory: Memory, traffic: Traffic, state: RolloutState): Observation {
  const recent = () => ({ cpu: emptyHistogram(), gpu: emptyHistogram() });
  const seen = memory.observe(traffic, state, ROLLOUT, 1000);
  return {
    traffic,
    ...seen,
    comparisons: NO_COMPARISONS,
    recent,
    isReady: true,
    isWarm: true,
    isAsked: true,
    capacity: 1,
    room: 1,
  };
}

function moment(second: number) {
  return { elapsedMs: 1000, at: at(second), isAutomatic: true };
}

function heard(unit: number, isError: boolean): Heard {
  const kind = isError ? 'model_fault' : 'ok';
  return {
    id: `r${unit}`,
    unit,
    serverClass: 'cpu',
    class: kind,
    fault: undefined,
    latencyMs: 10,
    isWarm: true,
  };
}
