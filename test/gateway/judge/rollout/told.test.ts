// What people read of a rollout: who answers, why, what comes next, how many callers are missing, and what they can do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CallerRates } from '../../../../gateway/judge/evidence/callers.ts';
import { GROUPS, type Tally } from '../../../../gateway/judge/evidence/tally.ts';
import { documentOf, readDocument } from '../../../../gateway/judge/rollout/document.ts';
import { move, phaseText } from '../../../../gateway/judge/rollout/move.ts';
import { obey } from '../../../../gateway/judge/rollout/order.ts';
import type { RolloutState } from '../../../../gateway/judge/rollout/state.ts';
import { readingOf, standingOf, unjudgedOf } from '../../../../gateway/judge/rollout/told.ts';
import type { RolloutEvent } from '../../../../gateway/judge/rollout/transitions.ts';
import { fewCallersText } from '../../../../gateway/judge/verdict/sentence.ts';
import type { Rollout } from '../../../../gateway/policy/policy.ts';
import { at, Driven, GUARDED, HEALTHY, observe, PERSON, rolloutWith, tally } from '../setup.ts';

const ROLLOUT = rolloutWith(`steps: [10% for 1h, 50% until approved, 100%], ${GUARDED}`);
const BROKEN = observe(tally(5, 5), tally(95));

function suspended(rollout: Rollout = ROLLOUT): Driven {
  const driven = new Driven(rollout).run(5, HEALTHY);
  driven.runUntilMoved(30, BROKEN);
  assert.equal(driven.state.phase.name, 'suspended');
  return driven;
}

function moved(state: RolloutState, event: RolloutEvent): RolloutState {
  const next = move(state, { event, by: { kind: 'judge' }, at: at(1000), sentence: 'the same' }, ROLLOUT);
  assert.ok(next, event);
  return next.state;
}

/** A tick in which only so many groups of callers ask. */
function asking(groups: number, requests: number, more: Partial<Tally> = {}): Tally {
  const each = Array.from({ length: GROUPS }, (_, i) => (i < groups ? requests / groups : 0));
  return { ...tally(requests), groups: { requests: each, failed: each.map(() => 0) }, ...more };
}

test('a suspension says since when, why, who is asked next and when', () => {
  const driven = suspended();
  const first = standingOf(ROLLOUT, driven.state, [ROLLOUT]).suspended;
  assert.ok(first);
  const { now, sentence, next, since, asked } = first;
  assert.equal(now, 'all callers are with v1');
  assert.match(sentence, /^v2 failed \d+ of \d+/);
  assert.equal(
    next,
    'in 30 s a probe: callers that v2 did not have (5 % of all) ask v2 again; if the evidence recurs, the rollout ends; if v2 does well, it gets its callers back.',
  );
  assert.deepEqual(asked, { share: 0.05, isOwn: false });
  assert.equal(since, driven.actions.at(-1)?.at);
  driven.run(31, observe(tally(0), tally(95)));
  const probing = standingOf(ROLLOUT, driven.state, [ROLLOUT]);
  assert.equal(probing.phase, 'suspended (probing) in step 1');
  assert.equal(probing.share, 0.05);
  assert.match(
    probing.suspended?.now ?? '',
    /^a probe has been under way for \d+ s: callers that v2 did not have \(5 % of all\) ask v2 again, /,
  );
  assert.equal(probing.suspended?.since, since);
});

test('where nobody else is free the probe asks callers that the candidate had', () => {
  const whole = rolloutWith(`steps: [100% for 1h], ${GUARDED}`);
  const driven = new Driven(whole).run(5, observe(tally(95), tally(0)));
  driven.runUntilMoved(30, observe(tally(95, 95), tally(0)));
  assert.deepEqual(standingOf(whole, driven.state, [whole]).suspended?.asked, { share: 0.1, isOwn: true });
});

test('after four probes that found the same a person decides, and the page says what was missing', () => {
  let { state } = suspended();
  for (let probe = 1; probe <= 4; probe++) state = moved(moved(state, 'probe'), 'failed');
  state = moved(state, 'give_up');
  state = { ...state, evidence: { ...state.evidence, failingUnits: 1, crowd: { candidate: 1, baseline: 12 } } };
  const { phase, suspended: is, choices } = standingOf(ROLLOUT, state, [ROLLOUT]);
  assert.equal(phase, 'suspended (held) in step 1');
  assert.match(
    is?.next ?? '',
    /^a person decides: 4 probes found the same, with too little evidence .*1 caller failed/,
  );
  assert.match(is?.next ?? '', /about 1 group of them ask v2, about 12 ask v1, and 20 of each are needed/);
  assert.deepEqual(
    choices.map(({ what }) => what),
    ['resume', 'rollback'],
  );
  const { held, suspended: by } = readingOf(ROLLOUT, state, [ROLLOUT]);
  assert.deepEqual(
    held.filter((each) => each.is).map(({ why }) => why),
    ['gave_up'],
  );
  const paused = obey(suspended().state, { what: 'pause', by: PERSON, at: at(99), sentence: 'we look at it' }, ROLLOUT);
  assert.ok('state' in paused);
  assert.equal(
    standingOf(ROLLOUT, paused.state, [ROLLOUT]).suspended?.next,
    'a person decides: someone paused it (we look at it), and no probe follows.',
  );
  const of = readingOf(ROLLOUT, paused.state, [ROLLOUT]).held;
  assert.deepEqual(
    of.filter((each) => each.is).map(({ why }) => why),
    ['paused'],
  );
  assert.equal(by.filter((each) => each.is).length, 1);
});

test('what is offered is granted, and what is not offered is refused or changes nothing', () => {
  const step = new Driven(ROLLOUT).run(5, HEALTHY).state;
  const away = suspended().state;
  const states = [
    step,
    moved(step, 'pause'),
    moved(step, 'trouble'),
    moved(step, 'enough'),
    away,
    moved(away, 'pause'),
    moved(away, 'probe'),
    moved(step, 'rollback'),
  ];
  for (const state of states) {
    const offered = standingOf(ROLLOUT, state, [ROLLOUT]).choices.map(({ what }) => what);
    for (const what of ['promote', 'pause', 'resume', 'rollback'] as const) {
      const obeyed = obey(state, { what, by: PERSON, at: at(2000), sentence: 'a test' }, ROLLOUT);
      const isNews = 'state' in obeyed && phaseText(obeyed.state.phase) !== phaseText(state.phase);
      if (offered.includes(what)) assert.ok('state' in obeyed, `${what} in ${state.phase.name}`);
      else if (what !== 'rollback') assert.ok(!isNews, `${what} in ${state.phase.name}`);
    }
  }
});

test('a rollout that no one can judge has no callers, and is only rolled back', () => {
  const { state } = new Driven(ROLLOUT).run(5, HEALTHY);
  const held = unjudgedOf({ id: 'r', sentence: 'it cannot be judged: x' }, false);
  const standing = standingOf(ROLLOUT, state, [ROLLOUT], held);
  assert.equal(standing.share, 0);
  assert.equal(standing.unjudged, held);
  assert.deepEqual(
    standing.choices.map(({ what }) => what),
    ['rollback'],
  );
  assert.deepEqual(
    [readingOf(ROLLOUT, state, [ROLLOUT], true)].map(({ share, isUnjudged }) => [share, isUnjudged]),
    [[0, true]],
  );
});

test('too few callers are said to be few after a minute, and not when there are enough', () => {
  const few = observe(asking(3, 6), asking(41, 82));
  const driven = new Driven(ROLLOUT).run(59, few);
  assert.doesNotMatch(driven.state.verdict?.sentence ?? '', /too few callers/);
  driven.run(3, few);
  assert.match(
    driven.state.verdict?.sentence ?? '',
    /; too few callers to compare: about 3 groups of them ask v2, about 41 ask v1, and 20 of each are needed; until then the evidence rests on first failures and the breaker$/,
  );
  driven.run(1, observe(asking(20, 20), asking(60, 60)));
  assert.doesNotMatch(driven.state.verdict?.sentence ?? '', /too few callers/);
});

test('the number of groups outlives a restart, and a document without it reads as none', () => {
  const { state } = new Driven(ROLLOUT).run(70, observe(asking(30, 30), asking(60, 60)));
  assert.deepEqual(state.evidence.crowd, { candidate: 30, baseline: 60 });
  const read = readDocument(JSON.parse(JSON.stringify(documentOf(state))));
  assert.ok('state' in read);
  assert.deepEqual(read.state.evidence.crowd, { candidate: 30, baseline: 60 });
  assert.equal(fewCallersText(read.state), undefined);
  const { state: inner, ...outline } = JSON.parse(JSON.stringify(documentOf(state)));
  const { crowd: _, ...evidence } = inner.evidence;
  const older = readDocument({ ...outline, state: { ...inner, evidence } });
  assert.ok('state' in older);
  assert.deepEqual(older.state.evidence.crowd, { candidate: 0, baseline: 0 });
});

test('groups are counted once, in each arm', () => {
  const rates = new CallerRates();
  const traffic = { candidate: asking(3, 6), baseline: asking(10, 10), coin: 0.1 };
  for (let second = 0; second < 5; second++) rates.add(traffic, 1000, 1.5, 0);
  assert.deepEqual(rates.crowd, { candidate: 3, baseline: 10 });
});
