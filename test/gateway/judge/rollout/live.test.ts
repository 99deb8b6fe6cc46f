import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../../../gateway/decide/decide.ts';
import { enrol, ledgerOf } from '../../../../gateway/judge/rollout/ledger.ts';
import { liveOf, viewOf } from '../../../../gateway/judge/rollout/live.ts';
import {
  newRollout,
  type Phase,
  type RolloutState,
  type ServedPhase,
  type Suspension,
} from '../../../../gateway/judge/rollout/state.ts';
import type { Rollout, ServedModel } from '../../../../gateway/policy/policy.ts';
import { request } from '../../decide/setup.ts';
import { modelWith } from '../setup.ts';

const MODEL = modelWith(
  'rollout: { id: r, candidate: v2, unit: random, steps: [10% for 1h, 50% for 1h] }\n    pins: any',
);
const [ROLLOUT] = MODEL.rollouts as [Rollout];

function suspension(from: ServedPhase): Suspension {
  return {
    from,
    guard: 'error_rate',
    sentence: '',
    rate: 0.2,
    grewMs: 0,
    units: 1,
    failedProbes: 0,
    crashes: 0,
    isNobodyElse: false,
    since: '',
  };
}

const suspended = (from: ServedPhase): Phase => ({
  name: 'suspended',
  suspension: suspension(from),
  isHeld: false,
  because: '',
});
const probing = (from: ServedPhase, isOwnBlock = false): Phase => ({
  name: 'probing',
  suspension: suspension(from),
  isOwnBlock,
});
const STEP: ServedPhase = { name: 'step', step: 0 };
const PROMOTED: ServedPhase = { name: 'promoted', guardLeftMs: 60_000, isNamed: false };

function state(phase: Phase, more: Partial<RolloutState> = {}): RolloutState {
  return { ...newRollout('r', 'digits', 'v2', 'v1'), phase, probes: 1, ...more };
}

function answering(states: readonly RolloutState[], random: number, model = MODEL, pin?: string): string {
  const view = viewOf(model, states);
  const decision = decide(view.model, request({}, undefined, { pin }), random);
  return decision.kind === 'serve' ? decision.version : decision.refusal;
}

test('a suspended candidate has no callers, and a pin still leads to it for whoever looks into it', () => {
  for (const from of [
    STEP,
    { name: 'holding', step: 1, why: 'paused' },
    { name: 'awaiting_approval', step: 1 },
  ] as const) {
    const states = [state(suspended(from))];
    for (const random of [0, 0.05, 0.49, 0.99]) assert.equal(answering(states, random), 'v1');
    assert.equal(answering(states, 0, MODEL, 'v2'), 'v2');
    assert.equal(viewOf(MODEL, states).outOfService.size, 0);
  }
});

test('in a probe others ask the candidate, and its own callers stay with the baseline', () => {
  const states = [state(probing(STEP))];
  const live = liveOf(states[0], ROLLOUT, MODEL.rollouts);
  assert.ok(live.is === 'live');
  const { from, to } = live.block;
  assert.deepEqual([to - from, from >= 100_000], [50_000, true]);
  for (const random of [0, 0.05, 0.099]) assert.equal(answering(states, random), 'v1');
  assert.equal(answering(states, (from + 1) / 1e6), 'v2');
  assert.equal(answering(states, to / 1e6), 'v1');
});

test('where nobody else asked, its own callers ask again, all of them', () => {
  const states = [state(probing(STEP, true))];
  assert.deepEqual([answering(states, 0.099), answering(states, 0.1)], ['v2', 'v1']);
});

test('a promotion that is suspended gives everyone back to the version it took over from', () => {
  const states = [state(suspended(PROMOTED))];
  assert.equal(viewOf(MODEL, states).model.baselineLabel, 'v1');
  for (const random of [0, 0.99]) assert.equal(answering(states, random), 'v1');
  // A probe asks a tenth of all callers; the rest stay.
  const { model } = viewOf(MODEL, [state(probing(PROMOTED))]);
  assert.equal(model.baselineLabel, 'v1');
  assert.equal(
    model.rollouts.reduce((sum, { live }) => sum + live.to - live.from, 0),
    100_000,
  );
  assert.equal(answering([state(PROMOTED)], 0.99), 'v2');
});

test('a policy that names the promoted version settles it, also while the promotion is suspended', () => {
  const named = modelWith('pins: none', 'v2');
  for (const phase of [suspended(PROMOTED), probing(PROMOTED)]) {
    const { ledger } = enrol(ledgerOf([state(phase, { epoch: 4 })]), [named]);
    assert.deepEqual(ledger.get('r')?.phase, { ...PROMOTED, isNamed: true });
    assert.equal(ledger.get('r')?.epoch, 5);
  }
});

test('a new rollout may not start beside a promotion that is suspended', () => {
  const next = modelWith('rollout: { id: r3, candidate: v3, unit: random, steps: [10%] }');
  const { refusals } = enrol(ledgerOf([state(suspended(PROMOTED))]), [next]);
  assert.match(refusals[0]?.sentence ?? '', /^v2 was promoted in place of v1; name it/);
});

test('in an experiment the baseline answers in the place of a suspended arm, and counts for none', () => {
  const model = modelWith(
    'experiment: { id: e, unit: header u, arms: { v2: 50%, v3: 50% } }\n    rollout: { id: r, candidate: v2, unit: header u, steps: [10%] }',
  );
  const suspendedArms = (phase: Phase) =>
    viewOf(model, [state(phase)]).model.experiment?.arms.map(({ version, isSuspended }) => [
      version.label,
      isSuspended === true,
    ]);
  for (const phase of [suspended(STEP), probing(STEP)])
    assert.deepEqual(suspendedArms(phase), [
      ['v2', true],
      ['v3', false],
    ]);
  assert.deepEqual(suspendedArms(STEP), [
    ['v2', false],
    ['v3', false],
  ]);
  const { model: served } = viewOf(model, [state(suspended(STEP))]);
  const seen = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    const decision = decide(served, request({ u: `u${i}` }), 0);
    assert.ok(decision.kind === 'serve');
    assert.equal(decision.exposed === undefined, decision.version === 'v1');
    seen.set(decision.version, (seen.get(decision.version) ?? 0) + 1);
  }
  assert.deepEqual([...seen.keys()].sort(), ['v1', 'v3']);
});

test('a rollout under way keeps the salt that it began with, also while it is suspended; before that the policy names it', () => {
  const saltIn = (phase: Phase) => viewOf(MODEL, [state(phase, { salt: 'digits.canary' })]).model.sortingSalt;
  for (const phase of [STEP, suspended(STEP), probing(STEP), PROMOTED]) assert.equal(saltIn(phase), 'digits.canary');
  assert.equal(saltIn({ name: 'pending' }), MODEL.sortingSalt);
  assert.notEqual(MODEL.sortingSalt, 'digits.canary');
  const { model } = viewOf(MODEL, [state(STEP, { salt: 'digits.canary' })]);
  assert.equal(model.rollouts[0]?.buckets.prefix, 'v1:digits.canary:');
});

test('the salt of another rollout of the model, or of another candidate under this id, is none of its business', () => {
  const others = [
    { ...state(STEP, { salt: 'other' }), id: 'r0' },
    { ...state(STEP, { salt: 'other' }), candidate: 'v3' },
  ];
  for (const other of others) assert.equal(viewOf(MODEL, [other]).model.sortingSalt, MODEL.sortingSalt);
});

test('of rollouts in a list the others go on while one is suspended', () => {
  const both: ServedModel = modelWith(`rollout: [
      { id: r, candidate: v2, unit: random, from: 0%, steps: [10%] },
      { id: r3, candidate: v3, unit: random, from: 50%, steps: [10%] } ]`);
  const other = { ...newRollout('r3', 'digits', 'v3', 'v1'), phase: STEP };
  assert.equal(answering([state(suspended(STEP)), other], 0.05, both), 'v1');
  assert.equal(answering([state(suspended(STEP)), other], 0.55, both), 'v3');
  const { model } = viewOf(both, [state(probing(STEP)), other]);
  const [probe, step] = model.rollouts.map(({ live }) => live);
  assert.ok(probe && step && (probe.to <= step.from || probe.from >= step.to));
  assert.deepEqual(step, { from: 500_000, to: 600_000 });
});
