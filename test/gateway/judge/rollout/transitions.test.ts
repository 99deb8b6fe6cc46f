import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Course, move, phaseText } from '../../../../gateway/judge/rollout/move.ts';
import { type Order, obey } from '../../../../gateway/judge/rollout/order.ts';
import { newRollout, type Phase, type RolloutState, type Suspension } from '../../../../gateway/judge/rollout/state.ts';
import {
  type PhaseName,
  type RolloutEvent,
  type Target,
  targetOf,
} from '../../../../gateway/judge/rollout/transitions.ts';
import { NO_EVIDENCE } from '../../../../gateway/judge/verdict/weigh.ts';
import { at, PERSON, PHASES } from '../setup.ts';

const COURSE: Course = {
  steps: [
    { share: 0.05, until: { bakeMs: 1000 } },
    { share: 0.5, until: { bakeMs: 1000 } },
  ],
  guardTimeMs: 60_000,
};

const EVENTS = [
  'ready',
  'done',
  'enough',
  'trouble',
  'clear',
  'expired',
  'freeze',
  'suspend',
  'probe',
  'widen',
  'passed',
  'failed',
  'give_up',
  'fail',
  'promote',
  'pause',
  'resume',
  'rollback',
] as const satisfies readonly RolloutEvent[];

test('a rollback is legal from every state, and from rolled back there is no way', () => {
  for (const phase of PHASES) {
    const expected = phase === 'rolled_back' ? undefined : 'rolled_back';
    assert.equal(targetOf(phase, 'fail'), expected, phase);
    assert.equal(targetOf(phase, 'rollback'), expected, phase);
  }
  for (const event of EVENTS) assert.equal(targetOf('rolled_back', event), undefined, event);
});

test('only a step that is over or a person leads to the next', () => {
  for (const phase of PHASES)
    for (const event of EVENTS)
      if (targetOf(phase, event) === 'next') assert.ok(event === 'done' || event === 'promote', `${phase} ${event}`);
});

test('wherever a candidate has callers it may be suspended', () => {
  for (const phase of PHASES) {
    const isServed = phase === 'step' || phase === 'holding' || phase === 'awaiting_approval' || phase === 'promoted';
    assert.equal(targetOf(phase, 'suspend'), isServed ? 'suspended' : undefined, phase);
  }
});

test('a suspension is left by a probe or a person alone, and its callers return by a probe that passed or a person', () => {
  const leaving = (phase: PhaseName, isIn: (target: Target) => boolean) =>
    EVENTS.filter((event) => {
      const target = targetOf(phase, event);
      return target !== undefined && !isIn(target);
    });
  assert.deepEqual(
    leaving('suspended', (target) => target === 'suspended' || target === 'held'),
    ['probe', 'fail', 'resume', 'rollback'],
  );
  const back = PHASES.flatMap((phase) =>
    EVENTS.filter((event) => targetOf(phase, event) === 'back').map((event) => `${phase} ${event}`),
  );
  assert.deepEqual(back, ['suspended resume', 'probing passed', 'probing resume']);
});

const SUSPENSION: Suspension = {
  from: { name: 'step', step: 1 },
  guard: 'error_rate',
  sentence: 'v2 failed',
  rate: 0.2,
  grewMs: 5000,
  units: 4,
  failedProbes: 2,
  crashes: 1,
  isNobodyElse: false,
  since: '2026-01-01T00:00:00.000Z',
};
const SUSPENDED: Phase = { name: 'suspended', suspension: SUSPENSION, isHeld: false, because: 'why' };
const HELD: Phase = { ...SUSPENDED, isHeld: true, because: 'why' };
const PROBING: Phase = { name: 'probing', suspension: SUSPENSION, isOwnBlock: false };

function state(phase: Phase, more: Partial<RolloutState> = {}): RolloutState {
  return { ...newRollout('r', 'digits', 'v2', 'v1'), epoch: 7, phase, ...more };
}

function moved(from: RolloutState, event: RolloutEvent, more = {}): RolloutState {
  const advance = move(from, { event, by: { kind: 'judge' }, at: at(0), sentence: 'because', ...more }, COURSE);
  assert.ok(advance, `${from.phase.name} ${event}`);
  return advance.state;
}

function ordered(phase: Phase, what: Order['what']): Phase | string {
  const obeyed = obey(state(phase), { what, by: PERSON, at: at(0), sentence: 'by hand' }, COURSE);
  return 'refused' in obeyed ? obeyed.refused : obeyed.state.phase;
}

test('a pause keeps a suspension as it is until a person resumes: no probe asks again', () => {
  for (const phase of [SUSPENDED, PROBING, HELD])
    assert.deepEqual(ordered(phase, 'pause'), { ...HELD, because: 'by hand', hasGivenUp: false });
  assert.equal(phaseText(HELD), 'suspended (held) in step 2');
});

test('a person who resumes gives the callers back to the candidate where they were', () => {
  for (const phase of [SUSPENDED, PROBING, HELD]) assert.deepEqual(ordered(phase, 'resume'), { name: 'step', step: 1 });
});

test('a person may end a suspended rollout, and cannot promote its candidate', () => {
  for (const phase of [SUSPENDED, PROBING, HELD]) {
    const ended = ordered(phase, 'rollback');
    assert.ok(typeof ended === 'object' && ended.name === 'rolled_back' && ended.rollback.by.kind === 'person');
    const refused = ordered(phase, 'promote');
    assert.ok(typeof refused === 'string');
    assert.match(
      refused,
      /^rollout r is suspended.*: promote is not possible while its callers are with the baseline; resume gives/,
    );
  }
});

test('a probe that found nothing gives the callers back, and counts: the next suspension needs more', () => {
  const evidence = { ...NO_EVIDENCE, failingUnits: 9, breaker: 'open' as const };
  const passed = moved(state(PROBING, { acquittals: 1, excusedUnits: 2, evidence, bakedMs: 30_000 }), 'passed');
  assert.deepEqual(passed.phase, { name: 'step', step: 1 });
  assert.deepEqual([passed.acquittals, passed.excusedUnits, passed.epoch, passed.bakedMs], [2, 4, 8, 30_000]);
  assert.deepEqual(passed.evidence, NO_EVIDENCE, 'with fresh evidence');
});

test('a person who resumes excuses those who failed, and a probe that found the same excuses no one', () => {
  const resumed = moved(state(PROBING), 'resume');
  assert.deepEqual([resumed.acquittals, resumed.excusedUnits], [1, SUSPENSION.units]);
  const failed = moved(state(PROBING), 'failed', { guard: 'error_rate' });
  assert.deepEqual([failed.acquittals, failed.excusedUnits], [0, 0]);
  assert.deepEqual(failed.phase, {
    name: 'suspended',
    suspension: { ...SUSPENSION, sentence: 'because', failedProbes: 3, crashes: 0 },
    isHeld: false,
    because: 'because',
  });
});

test('a probe in which the servers failed counts as a crash as long as it is the last in a row', () => {
  const crashes = (guard: string) => {
    const { phase } = moved(state(PROBING), 'failed', { guard });
    assert.ok(phase.name === 'suspended');
    return phase.suspension.crashes;
  };
  assert.deepEqual([crashes('servers'), crashes('consecutive_failures')], [2, 0]);
});

test('every probe is counted; one that turns to its own callers because nobody else asked is the same', () => {
  const probing = moved(state(SUSPENDED, { probes: 3 }), 'probe');
  assert.deepEqual([probing.probes, probing.phase], [4, PROBING]);
  const widened = moved(probing, 'widen');
  const own = {
    name: 'probing',
    suspension: { ...SUSPENSION, isNobodyElse: true, since: '2026-01-01T00:00:00.000Z' },
    isOwnBlock: true,
  };
  assert.deepEqual([widened.probes, widened.phase], [4, own]);
  assert.deepEqual(moved(moved(widened, 'failed', {}), 'probe').phase, {
    ...own,
    suspension: { ...own.suspension, sentence: 'because', failedProbes: 3, crashes: 0 },
  });
});

test('a suspension remembers where it began, and what speaks for the candidate', () => {
  const promotion = { log: 2, expected: 1, counted: { trials: 100, hits: 1 } };
  const from: Phase = { name: 'holding', step: 1, why: 'paused' };
  const suspended = moved(state(from, { evidence: { ...NO_EVIDENCE, promotion } }), 'suspend', { guard: 'servers' });
  assert.ok(suspended.phase.name === 'suspended');
  assert.deepEqual([suspended.phase.suspension.from, suspended.phase.suspension.guard], [from, 'servers']);
  const probing = moved(suspended, 'probe');
  assert.deepEqual(probing.evidence, { ...NO_EVIDENCE, promotion });
  assert.deepEqual(moved(probing, 'passed').phase, from, 'a person has paused it, so it is still paused');
});

test('what was held because its callers had no room goes on when a probe has found nothing', () => {
  const suspended = moved(state({ name: 'holding', step: 1, why: 'no_room' }), 'suspend', { guard: 'error_rate' });
  assert.deepEqual(moved(moved(suspended, 'probe'), 'passed').phase, { name: 'step', step: 1 });
});

test('a promotion that is suspended returns with the guard time that it had', () => {
  const promoted: Phase = { name: 'promoted', guardLeftMs: 12_345, isNamed: false };
  const suspended = moved(state(promoted), 'suspend', { guard: 'error_rate' });
  assert.equal(phaseText(suspended.phase), 'suspended after the promotion');
  assert.deepEqual(moved(moved(suspended, 'probe'), 'passed').phase, promoted);
  assert.deepEqual(moved(suspended, 'resume').phase, promoted);
});

test('another share begins new runs of evidence and forgets what was found to be nothing', () => {
  const evidence = { ...NO_EVIDENCE, clock: { runs: [3, 1, 0, 0], ages: [1000, 1000, 1000, 1000], blockMs: 1000 } };
  const next = moved(state({ name: 'step', step: 0 }, { evidence, acquittals: 2, requests: 50, bakedMs: 9 }), 'done');
  assert.deepEqual(next.evidence.clock, { runs: [4, 2, 1, 1], ages: [0, 0, 0, 0], blockMs: 0 });
  assert.deepEqual([next.acquittals, next.requests, next.bakedMs], [0, 0, 0]);
  const held = moved(state({ name: 'step', step: 0 }, { evidence, acquittals: 2 }), 'trouble', { hold: 'cannot_tell' });
  assert.deepEqual([held.evidence, held.acquittals], [evidence, 2]);
});

test('whoever is held or ended is for a person to look at now; a suspension is not, nor what a person did', () => {
  const urgent = (phase: Phase, event: RolloutEvent, by: object = { kind: 'judge' }) =>
    move(state(phase), { event, by: by as typeof PERSON, at: at(0), sentence: '' }, COURSE)?.actions[0]?.isUrgent;
  assert.equal(urgent({ name: 'step', step: 0 }, 'suspend'), false);
  assert.equal(urgent(PROBING, 'fail'), true);
  assert.equal(urgent(SUSPENDED, 'give_up'), true);
  assert.equal(urgent(PROBING, 'rollback', PERSON), false);
});
