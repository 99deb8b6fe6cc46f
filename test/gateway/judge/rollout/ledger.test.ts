import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../../../gateway/decide/decide.ts';
import {
  byModel,
  enrol,
  type Ledger,
  latch,
  ledgerOf,
  merge,
  rolledBackIds,
} from '../../../../gateway/judge/rollout/ledger.ts';
import { liveOf, viewOf } from '../../../../gateway/judge/rollout/live.ts';
import { type Order, obey } from '../../../../gateway/judge/rollout/order.ts';
import { newRollout, type Phase, type RolloutState } from '../../../../gateway/judge/rollout/state.ts';
import type { ServedModel } from '../../../../gateway/policy/policy.ts';
import { request } from '../../decide/setup.ts';
import { at, modelWith, PERSON } from '../setup.ts';

const ROLLOUT = (id: string, candidate: string, steps = '10% for 1h, 50% for 1h') =>
  modelWith(`rollout: { id: ${id}, candidate: ${candidate}, unit: random, steps: [${steps}] }`);
const MODEL = ROLLOUT('r', 'v2');
const PROMOTED: Phase = { name: 'promoted', guardLeftMs: 0, isNamed: false };

test('a new rollout is pending: nobody gets its candidate until the first tick that finds it ready', () => {
  const { ledger, refusals } = enrol(new Map(), [MODEL]);
  assert.deepEqual(refusals, []);
  assert.equal(ledger.get('r')?.phase.name, 'pending');
  assert.equal(answering(ledger, MODEL, 0), 'v1');
});

test('before its first step a rollout takes the salt that the policy says now, and keeps it from then on', () => {
  const saltAfter = (phase: Phase) => {
    const ledger = ledgerOf([{ ...state('r', 'v2', phase), salt: 'digits.canary' }]);
    return enrol(ledger, [MODEL]).ledger.get('r')?.salt;
  };
  assert.equal(saltAfter({ name: 'pending' }), MODEL.rollouts[0]?.buckets.salt);
  assert.equal(saltAfter({ name: 'step', step: 0 }), 'digits.canary');
});

test('a step is live on its block, and decisions see it without knowing of rollouts', () => {
  const ledger = withPhase({ name: 'step', step: 1 });
  assert.equal(answering(ledger, MODEL, 0.49), 'v2');
  assert.equal(answering(ledger, MODEL, 0.51), 'v1');
  const [rollout] = MODEL.rollouts;
  assert.ok(rollout);
  assert.deepEqual(liveOf(ledger.get('r'), rollout, MODEL.rollouts), {
    is: 'live',
    step: 1,
    block: { from: 0, to: 500_000 },
  });
});

for (const phase of ['holding', 'awaiting_approval'] as const) {
  test(`a rollout that is ${phase.replace('_', ' ')} keeps its share`, () => {
    const ledger = withPhase(phase === 'holding' ? { name: phase, step: 0, why: 'paused' } : { name: phase, step: 0 });
    assert.equal(answering(ledger, MODEL, 0.09), 'v2');
    assert.equal(answering(ledger, MODEL, 0.11), 'v1');
  });
}

test('a policy that has fewer steps than were taken keeps the last one', () => {
  const ledger = withPhase({ name: 'step', step: 5 });
  assert.equal(answering(ledger, MODEL, 0.49), 'v2');
});

test('a rolled-back candidate answers no one and is out of service, until a new id or the policy itself brings it back', () => {
  const ledger = rolledBack('r');
  assert.equal(answering(ledger, MODEL, 0), 'v1');
  assert.deepEqual([...viewOf(MODEL, statesOf(ledger)).outOfService], ['v2']);
  const again = ROLLOUT('r-again', 'v2');
  const { ledger: enrolled, refusals } = enrol(ledger, [again]);
  assert.deepEqual(refusals, []);
  assert.deepEqual([...viewOf(again, statesOf(enrolled)).outOfService], ['v2']);
  const running = merge(enrolled, ledgerOf([state('r-again', 'v2', { name: 'step', step: 0 })]));
  assert.deepEqual([...viewOf(again, statesOf(running)).outOfService], []);
  assert.equal(answering(running, again, 0), 'v2');
  assert.deepEqual([...viewOf(modelWith('pins: any', 'v2'), statesOf(ledger)).outOfService], []);
});

test('a promoted version answers for the baseline until the policy names it', () => {
  const promoted = withPhase(PROMOTED);
  assert.equal(answering(promoted, MODEL, 0.99), 'v2');
  assert.equal(viewOf(MODEL, statesOf(promoted)).model.baselineWhy, 'baseline, promoted by rollout r');
  const named = enrol(promoted, [modelWith('pins: none', 'v2')]).ledger;
  assert.deepEqual(named.get('r')?.phase, { ...PROMOTED, isNamed: true });
  // From then on the policy's word counts again.
  assert.equal(answering(named, MODEL, 0.99), 'v1');
});

test('promotions follow one another, and a rollback of the last leads back to the one before', () => {
  const first = withPhase(PROMOTED);
  const second = merge(first, ledgerOf([{ ...state('r3', 'v3', PROMOTED), baseline: 'v2' }]));
  const model = modelWith('pins: none');
  assert.equal(answering(second, model, 0.5), 'v3');
  const back = merge(second, ledgerOf([{ ...state('r3', 'v3', rollback()), baseline: 'v2' }]));
  assert.equal(answering(back, model, 0.5), 'v2');
});

test('what may not start is refused with what to do: an id of another candidate, a baseline that was replaced', () => {
  const running = withPhase({ name: 'step', step: 1 });
  const other = ROLLOUT('r', 'v3');
  assert.deepEqual(enrol(running, [other]).refusals, [
    { id: 'r', sentence: 'rollout id r belongs to v2 of digits permanently; take a new id' },
  ]);
  assert.equal(answering(running, other, 0), 'v1');
  assert.deepEqual(enrol(withPhase(PROMOTED), [ROLLOUT('r3', 'v3')]).refusals, [
    { id: 'r3', sentence: 'v2 was promoted in place of v1; name it the baseline of digits before rollout r3' },
  ]);
  assert.deepEqual(enrol(withPhase(PROMOTED), [modelWith('pins: none', 'v2')]).refusals, []);
});

test('the old policy of a rolled-back rollout is served, without the candidate', () => {
  const { ledger, refusals } = enrol(rolledBack('r'), [MODEL]);
  assert.deepEqual(refusals, []);
  assert.equal(answering(ledger, MODEL, 0), 'v1');
});

test('an id of which a store only knows that it is rolled back is so', () => {
  const latched = latch(new Map(), ['r'], at(0));
  const { ledger, refusals } = enrol(latched, [MODEL]);
  assert.deepEqual(refusals, []);
  assert.deepEqual(rolledBackIds(ledger), ['r']);
  assert.equal(answering(ledger, MODEL, 0), 'v1');
  assert.deepEqual([...viewOf(MODEL, statesOf(ledger)).outOfService], ['v2']);
  assert.deepEqual(rolledBackIds(latch(withPhase({ name: 'step', step: 1 }), ['r'], at(0))), ['r']);
});

test('an id such as constructor is an id like any other', () => {
  const model = ROLLOUT('constructor', 'v2');
  const { ledger } = enrol(new Map(), [model]);
  assert.equal(ledger.get('constructor')?.phase.name, 'pending');
  assert.deepEqual(rolledBackIds(merge(ledger, rolledBack('constructor'))), ['constructor']);
});

test('of two replicas the higher epoch is right, unless one has rolled back', () => {
  const one = { ...state('r', 'v2', { name: 'step', step: 0 }), epoch: 1 };
  const two = { ...state('r', 'v2', { name: 'step', step: 1 }), epoch: 2 };
  assert.equal(merge(ledgerOf([one]), ledgerOf([two])).get('r'), two);
  assert.deepEqual(rolledBackIds(merge(ledgerOf([{ ...two, epoch: 99 }]), rolledBack('r'))), ['r']);
});

test('10,000 models with a rollout each are enrolled and viewed well within a reload', (t) => {
  const models = Array.from({ length: 10_000 }, (_, i): ServedModel => {
    const rollouts = MODEL.rollouts.map((rollout) => ({ ...rollout, id: `r${i}` }));
    return { ...MODEL, name: `m${i}`, rollouts };
  });
  const start = process.cpuUsage();
  const { ledger } = enrol(enrol(new Map(), models).ledger, models);
  const states = byModel(ledger);
  for (const model of models) viewOf(model, states.get(model.name) ?? []);
  const { user, system } = process.cpuUsage(start); // of this process alone, for others may be busy
  const ms = (user + system) / 1000;
  t.diagnostic(`${ms.toFixed(0)} ms`);
  assert.equal(ledger.size, 10_000);
  assert.ok(ms < 1250, `${ms} ms`); // a reload has 250 ms
});

function answering(ledger: Ledger, model: ServedModel, random: number): string {
  const decision = decide(viewOf(model, statesOf(ledger)).model, request({}), random);
  return decision.kind === 'serve' ? decision.version : decision.refusal;
}

function statesOf(ledger: Ledger): readonly RolloutState[] {
  return byModel(ledger).get('digits') ?? [];
}

function withPhase(phase: Phase): Ledger {
  return ledgerOf([state('r', 'v2', phase)]);
}

function state(id: string, candidate: string, phase: Phase): RolloutState {
  return { ...newRollout(id, 'digits', candidate, 'v1'), phase };
}

function rollback(): Phase {
  const order: Order = { what: 'rollback', by: PERSON, at: at(0), sentence: 'by hand' };
  const [rollout] = MODEL.rollouts;
  assert.ok(rollout);
  const obeyed = obey(newRollout('r', 'digits', 'v2', 'v1'), order, rollout);
  assert.ok('state' in obeyed);
  return obeyed.state.phase;
}

function rolledBack(id: string): Ledger {
  return ledgerOf([state(id, 'v2', rollback())]);
}
