import assert from 'node:assert/strict';
import { test } from 'node:test';
import { obey } from '../../../gateway/judge/order.ts';
import { type PhaseName, type RolloutEvent, targetOf } from '../../../gateway/judge/transitions.ts';
import {
  at,
  BOTH_FAILING,
  compared,
  Driven,
  FAILING,
  GUARDED,
  HEALTHY,
  NO_TRAFFIC,
  observe,
  PERSON,
  rolloutWith,
  signal,
  tally,
} from './setup.ts';

const STEPS = 'steps: [5% for 1m, 25% for 2m], guard_time: 1m';
const BUSY = observe(tally(250), tally(750));

const PHASES: readonly PhaseName[] = ['pending', 'step', 'holding', 'awaiting_approval', 'promoted', 'rolled_back'];
const EVENTS: readonly RolloutEvent[] = [
  'ready',
  'done',
  'enough',
  'trouble',
  'clear',
  'expired',
  'freeze',
  'fail',
  'promote',
  'pause',
  'resume',
  'rollback',
];

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

test('a healthy candidate takes its steps, is promoted, and is watched for the guard time', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(1, HEALTHY);
  assert.equal(driven.runUntilMoved(100, HEALTHY), 60);
  assert.equal(driven.runUntilMoved(1000, BUSY), 120);
  assert.deepEqual(driven.moves, ['pending -> step 1', 'step 1 -> step 2', 'step 2 -> promoted']);
  assert.match(driven.actions.at(-1)?.sentence ?? '', /^v2 failed 0 of 30,300 \(0 %\): too few errors to compare/);
  assert.match(driven.run(10, observe(tally(1000), tally(0))).state.verdict?.sentence ?? '', /nobody is on v1/);
  driven.run(1, observe(tally(1000, 900), tally(0)));
  assert.equal(driven.moves.at(-1), 'promoted -> rolled back');
});

test('after the guard time a promoted candidate is judged no more', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(1, HEALTHY).run(60, HEALTHY).run(200, BUSY);
  driven.run(10, observe(tally(1000, 900), tally(0)));
  assert.equal(driven.state.phase.name, 'promoted');
});

test('a step waits for its requests: bake time alone is not enough, and no traffic is neither good nor bad', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, min_requests: 400, ${GUARDED}`)).run(3600, NO_TRAFFIC);
  assert.equal(driven.state.phase.name, 'step');
  assert.equal(driven.state.verdict?.kind, 'insufficient');
  assert.match(driven.state.verdict?.sentence ?? '', /^v2 has answered 0 of the 400 requests/);
  assert.equal(driven.runUntilMoved(100, HEALTHY), 80);
});

test('a candidate that fails is rolled back within seconds, with the numbers, the time and examples', () => {
  const examples = { errors: ['r-1', 'r-2'], slow: [] };
  const failing = observe(tally(5, 1, { examples }), tally(95));
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY);
  const seconds = driven.runUntilMoved(20, failing);
  assert.ok(seconds <= 6, `${seconds}`);
  const { phase } = driven.state;
  assert.ok(phase.name === 'rolled_back');
  assert.equal(phase.rollback.guard, 'errors_versus_baseline');
  assert.match(
    phase.rollback.sentence,
    /^v2 failed \d of \d\d \(20 %\), v1 0 of \d+ \(0 %\) since 2026-01-01T00:00:3\d.000Z; 1.5x is tolerated \(odds [\d,]+ to 1, 150 ends the rollout\)$/,
  );
  assert.deepEqual(phase.rollback.examples.slice(0, 2), ['r-1', 'r-2']);
  assert.equal(driven.actions.at(-1)?.isUrgent, true);
  assert.deepEqual(driven.run(10, HEALTHY).moves.at(-1), 'step 1 -> rolled back');
});

test('one error in ten requests is not ten percent', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(1, HEALTHY);
  driven.run(1, observe(tally(10, 1), tally(190, 1)));
  assert.equal(driven.state.phase.name, 'step');
});

test('both failing is a shared failure: it holds, calls a person, blames no one, and goes on when it is over', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(2, HEALTHY).run(60, BOTH_FAILING);
  assert.deepEqual(driven.moves, ['pending -> step 1', 'step 1 -> holding (cannot tell) in step 1']);
  assert.match(driven.state.verdict?.sentence ?? '', /^shared failure, no blame: .*; v1 breaches it too/);
  assert.equal(driven.actions.at(-1)?.isUrgent, true);
  assert.ok(driven.runUntilMoved(60, HEALTHY) <= 30);
  assert.equal(driven.moves.at(-1), 'holding (cannot tell) in step 1 -> step 1');
  // Held time is no bake time: the step had two seconds of it, and the one of its return.
  assert.ok(driven.runUntilMoved(100, HEALTHY) >= 55);
  assert.equal(driven.state.phase.name, 'step');
});

test('a total outage of both opens no breaker', () => {
  const out = { streak: { latest: 50, longest: 50 } };
  const driven = new Driven(rolloutWith(`steps: [5%], rollback: {}`)).run(2, HEALTHY);
  driven.run(5, observe(tally(50, 50, out), tally(95, 95, out)));
  assert.equal(driven.state.phase.name, 'holding');
  assert.match(driven.state.verdict?.sentence ?? '', /failed 10 requests in a row; v1 fails too$/);
});

test('a shared failure is one also when hardly anyone is on the baseline: the candidate is not blamed before it is told apart', () => {
  const rollout = rolloutWith(`steps: [100% for 10m], holdback: 1%, ${GUARDED}`);
  const driven = new Driven(rollout).run(10, observe(tally(99), tally(1)));
  driven.run(1, observe(tally(99, 30), tally(1)));
  assert.equal(driven.state.phase.name, 'step');
  assert.match(driven.state.verdict?.sentence ?? '', /^in doubt: v2 failed 30 of 99/);
  for (let i = 0; i < 60; i++) driven.run(1, observe(tally(99, 30), tally(1, i % 3 === 0 ? 1 : 0)));
  assert.ok(driven.moves.every((move) => !move.endsWith('rolled back')));
  // The same with a baseline that answers: it takes as long as the baseline needs to tell the two apart.
  const blamed = new Driven(rollout).run(10, observe(tally(99), tally(1)));
  const seconds = blamed.runUntilMoved(60, observe(tally(99, 30), tally(1)));
  assert.ok(seconds > 1 && seconds < 20, `${seconds}`);
  assert.equal(blamed.state.phase.name, 'rolled_back');
});

const ROW = { streak: { latest: 10, longest: 10 } };
const BREAKERS = [
  ['a baseline that answers many in the same second', [tally(95)], 'rolled_back'],
  ['nobody on the baseline', [tally(0)], 'rolled_back'],
  ['a sparse baseline that has not answered since', [tally(1), tally(0)], 'step'],
  ['a sparse baseline that answers', [tally(1), tally(1)], 'rolled_back'],
  ['a baseline whose last answer was a failure', [tally(95, 1, { streak: { latest: 1, longest: 1 } })], 'holding'],
  ['a baseline that fails in every other answer', [tally(95, 48)], 'holding'],
  ['a baseline with as many in a row', [tally(95, 10, { streak: { latest: 0, longest: 10 } })], 'holding'],
] as const;

for (const [what, baseline, phase] of BREAKERS) {
  test(`ten failures in a row beside ${what}: ${phase.replace('_', ' ')}`, () => {
    const driven = new Driven(rolloutWith('steps: [5%], rollback: {}'));
    driven.run(1, HEALTHY).run(20, NO_TRAFFIC);
    for (const tick of baseline) driven.run(1, observe(tally(0, 0, ROW), tick));
    assert.equal(driven.state.phase.name, phase);
  });
}

test('ten failures in a row open the breaker at once', () => {
  const driven = new Driven(rolloutWith(`steps: [5%], rollback: {}`)).run(1, HEALTHY);
  driven.run(1, observe(tally(5, 1, { streak: { latest: 10, longest: 10 } }), tally(0)));
  assert.equal(driven.state.phase.name, 'rolled_back');
  assert.equal(driven.actions.at(-1)?.sentence, 'v2 failed 10 requests in a row');
});

test('a slow candidate is rolled back by what is slower than the baseline, each class of servers on its own', () => {
  const edges = [10, 20, 25, 40, 80];
  const slow = (trials: number, hits: readonly number[], kind: 'cpu' | 'gpu') => ({
    slow: { ...tally(0).slow, [kind]: { edges, signals: hits.map((each) => signal(trials, each)) } },
  });
  const base = slow(95, [47, 9, 5, 1, 0], 'cpu');
  const rollout = rolloutWith(`${STEPS}, rollback: {}`);
  const out = new Driven(rollout).run(1, HEALTHY);
  out.run(40, observe(tally(5, 0, slow(5, [5, 3, 2, 1, 0], 'cpu')), tally(95, 0, base)));
  assert.equal(out.state.phase.name, 'rolled_back');
  assert.match(out.actions.at(-1)?.sentence ?? '', /^v2 was slower than the .* of v1 in \d+ of \d+ /);
  // All of the candidate's on slower servers of another class: nobody to compare with, so nothing is held against it.
  const apart = new Driven(rollout).run(1, HEALTHY);
  apart.run(40, observe(tally(5, 0, slow(5, [5, 5, 5, 5, 5], 'gpu')), tally(95, 0, base)));
  assert.equal(apart.state.phase.name, 'step');
});

test('a latency ceiling is about the 99th percentile, and holds while the baseline breaches it', () => {
  const rollout = rolloutWith(`${STEPS}, rollback: { latency_p99: 250ms }`);
  const over = (mine: number, theirs: number) =>
    observe(tally(50, 0, { over: signal(50, mine) }), tally(950, 0, { over: signal(950, theirs) }));
  assert.equal(new Driven(rollout).run(1, HEALTHY).run(20, over(5, 5)).state.phase.name, 'rolled_back');
  assert.equal(new Driven(rollout).run(1, HEALTHY).run(20, over(5, 95)).state.phase.name, 'holding');
});

test('at 100 % without a holdback nothing is compared, and the status says so; the ceiling still holds', () => {
  const rollout = rolloutWith(`steps: [100% for 10m], ${GUARDED}`);
  const driven = new Driven(rollout).run(1, HEALTHY).run(10, observe(tally(100, 1), tally(0)));
  assert.match(driven.state.verdict?.sentence ?? '', /; nobody is on v1, so nothing is compared with it$/);
  driven.run(20, observe(tally(100, 20), tally(0)));
  assert.equal(driven.state.phase.name, 'rolled_back');
  assert.match(driven.actions.at(-1)?.sentence ?? '', /above the error_rate of 2 %/);
});

test('with a holdback the last step keeps a control', () => {
  const rollout = rolloutWith(`steps: [50% for 1m, 100% for 10m], holdback: 1%, ${GUARDED}`);
  assert.deepEqual(
    rollout.blocks.map(({ from, to }) => [from, to]),
    [
      [0, 500_000],
      [0, 990_000],
    ],
  );
});

test('a step until approved asks once and waits for a person', () => {
  const rollout = rolloutWith(`steps: [5% until approved, 25% for 1m], ${GUARDED}`);
  const driven = new Driven(rollout).run(3600, HEALTHY);
  assert.deepEqual(driven.moves, ['pending -> step 1', 'step 1 -> awaiting approval in step 1']);
  const obeyed = obey(driven.state, { what: 'promote', by: PERSON, at: at(0), sentence: 'looks good' }, rollout);
  assert.ok('state' in obeyed);
  assert.deepEqual(obeyed.state.phase, { name: 'step', step: 1 });
});

test('a step that is held stays, whatever happens', () => {
  assert.equal(new Driven(rolloutWith(`steps: [5%], ${GUARDED}`)).run(3600, HEALTHY).moves.length, 1);
});

test('after its longest duration a rollout holds, says so once, and goes on when a person resumes it', () => {
  const rollout = rolloutWith(`steps: [5% for 1h], max_duration: 2m, ${GUARDED}`);
  const driven = new Driven(rollout).run(600, HEALTHY);
  assert.deepEqual(driven.moves.at(-1), 'step 1 -> holding (inconclusive) in step 1');
  assert.equal(driven.moves.length, 2);
  const resumed = obey(driven.state, { what: 'resume', by: PERSON, at: at(0), sentence: 'more time' }, rollout);
  assert.ok('state' in resumed);
  driven.state = resumed.state;
  assert.equal(driven.runUntilMoved(200, HEALTHY), 120);
});

test('pause stops the clock and not the guards', () => {
  const rollout = rolloutWith(`${STEPS}, ${GUARDED}`);
  const driven = new Driven(rollout).run(30, HEALTHY);
  const paused = obey(driven.state, { what: 'pause', by: PERSON, at: at(30), sentence: 'lunch' }, rollout);
  assert.ok('state' in paused);
  driven.state = paused.state;
  driven.run(600, HEALTHY);
  assert.equal(driven.state.bakedMs, 29_000);
  assert.deepEqual(driven.state.phase, { name: 'holding', step: 0, why: 'paused' });
  driven.run(10, FAILING);
  assert.equal(driven.state.phase.name, 'rolled_back');
});

test('a guard that freezes holds the share where it is, and after a person resumes it looks with fresh eyes', () => {
  const rollout = rolloutWith(`${STEPS}, rollback: { action: freeze }`);
  const driven = new Driven(rollout).run(2, HEALTHY).run(60, FAILING);
  assert.deepEqual(driven.moves.at(-1), 'step 1 -> holding (frozen) in step 1');
  assert.equal(driven.moves.length, 2);
  const resumed = obey(driven.state, { what: 'resume', by: PERSON, at: at(0), sentence: 'fixed' }, rollout);
  assert.ok('state' in resumed);
  driven.state = resumed.state;
  assert.equal(driven.run(30, HEALTHY).state.phase.name, 'step');
});

test('a dry run says once what it would do, and does nothing', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, rollback: { action: dry_run }`)).run(2, HEALTHY).run(60, FAILING);
  assert.deepEqual(driven.moves, ['pending -> step 1', 'would: step 1 -> rolled back']);
  const healthy = new Driven(rolloutWith(`${STEPS}, rollback: { action: dry_run }`)).run(600, HEALTHY);
  assert.deepEqual(healthy.moves, ['pending -> step 1', 'would: step 1 -> step 2']);
});

test('with the kill switch thrown nothing moves by itself, and the evidence is still shown', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(2, HEALTHY);
  driven.run(60, FAILING, { isAutomatic: false });
  assert.equal(driven.state.phase.name, 'step');
  assert.equal(driven.state.verdict?.kind, 'fail');
});

test('a process that was stopped has not been watching: the gap is no bake time, and a clock never runs back', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(1, HEALTHY);
  driven.run(1, HEALTHY, { elapsedMs: 3_600_000 }).run(1, HEALTHY, { elapsedMs: -5 });
  assert.equal(driven.state.bakedMs, 5000);
});

test('numbers that cannot be true hold the rollout', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(2, HEALTHY);
  for (const wrong of [tally(5, 6), tally(Number.NaN), tally(5, -1)]) {
    driven.run(1, observe(wrong, tally(95)));
    assert.deepEqual(driven.state.phase, { name: 'holding', step: 0, why: 'cannot_tell' });
    assert.equal(driven.state.verdict?.kind, 'error');
    driven.run(1, HEALTHY);
  }
  assert.equal(driven.state.phase.name, 'step');
});

test('disagreement above its guard ends the rollout; without the guard the same only keeps it from promotion', () => {
  const seen = { ...BUSY, comparisons: compared([20, 5], [20, 1]) };
  const guarded = new Driven(rolloutWith(`${STEPS}, rollback: { disagreement: 3% }`)).run(1, HEALTHY).run(60, seen);
  assert.match(guarded.actions.at(-1)?.sentence ?? '', /^v2 disagreed with v1 in \d+ of \d+ \(25 %\)/);
  assert.equal(guarded.state.phase.name, 'rolled_back');
  const blocked = new Driven(rolloutWith(`${STEPS}, max_disagreement: 3%, ${GUARDED}`)).run(1, HEALTHY).run(600, seen);
  assert.deepEqual(blocked.state.phase, { name: 'step', step: 1 });
  assert.equal(
    blocked.state.verdict?.sentence,
    'v2 disagrees 20 % more often than the noise floor; max_disagreement is 3 %',
  );
  const shown = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(1, HEALTHY).run(600, seen);
  assert.equal(shown.state.phase.name, 'promoted');
});

test('disagreement within the noise floor, or of which the floor was never measured, is held against no one', () => {
  const rollout = rolloutWith(`${STEPS}, rollback: { disagreement: 3% }`);
  for (const comparisons of [compared([20, 5], [20, 5]), compared([20, 20], [0, 0])]) {
    const driven = new Driven(rollout).run(1, HEALTHY).run(50, { ...HEALTHY, comparisons });
    assert.equal(driven.state.phase.name, 'step');
  }
});

test('a rollout that nothing judges goes by time and requests alone', () => {
  const driven = new Driven(rolloutWith(STEPS)).run(1, HEALTHY).run(60, FAILING);
  assert.equal(driven.moves.at(-1), 'step 1 -> step 2');
});

const REFUSALS = [
  ['promote', 'rolled_back', /rolled back: promote is not possible; a new attempt takes a new id$/],
  ['resume', 'step', /step 1: resume is not possible$/],
  ['promote', 'pending', /pending: promote is not possible before its candidate can be served$/],
] as const;

for (const [what, phase, wanted] of REFUSALS) {
  test(`${what} is refused when ${phase.replace('_', ' ')}, with the next step`, () => {
    const rollout = rolloutWith(`${STEPS}, ${GUARDED}`);
    const driven = new Driven(rollout);
    if (phase !== 'pending') driven.run(2, HEALTHY);
    if (phase === 'rolled_back') driven.run(10, FAILING);
    const obeyed = obey(driven.state, { what, by: PERSON, at: at(0), sentence: '' }, rollout);
    assert.ok('refused' in obeyed);
    assert.match(obeyed.refused, wanted);
  });
}

test('edges of slowness are taken from before each step, and evidence of one step is kept in the next', () => {
  const recent = { ...HEALTHY.recent, cpu: HEALTHY.recent.cpu.slice().fill(1) };
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(2, { ...HEALTHY, recent });
  assert.equal(driven.state.edges.cpu.length, 5);
  assert.equal(driven.state.edges.gpu.length, 0);
  driven.run(60, { ...HEALTHY, recent });
  assert.deepEqual(driven.state.phase, { name: 'step', step: 1 });
  assert.equal(driven.state.evidence.promotion.counted.trials, 305);
});

test('a step waits until the candidate has servers enough for the next one, and says so', () => {
  const rollout = rolloutWith(`${STEPS}, ${GUARDED}`);
  const short = observe(tally(5), tally(95), { capacity: 0.1 });
  const driven = new Driven(rollout).run(1, short).run(120, short);
  assert.deepEqual(driven.moves, ['pending -> step 1']);
  assert.match(driven.state.verdict?.sentence ?? '', /waits for servers: .* 10 % of the traffic, 25 % is asked for$/);
  assert.equal(driven.runUntilMoved(5, observe(tally(5), tally(95), { capacity: 0.25 })), 1);
  // The promotion is a step to everything.
  assert.equal(driven.runUntilMoved(300, observe(tally(250), tally(750), { capacity: 0.5 })), Number.POSITIVE_INFINITY);
  assert.match(driven.state.verdict?.sentence ?? '', /50 % of the traffic, 100 % is asked for/);
  assert.equal(driven.runUntilMoved(5, BUSY), 1);
  assert.deepEqual(driven.moves.at(-1), 'step 2 -> promoted');
});

test('a person may go on without servers enough, and a guard does not wait for them', () => {
  const rollout = rolloutWith(`${STEPS}, ${GUARDED}`);
  const short = { capacity: 0.1 };
  const driven = new Driven(rollout).run(1, HEALTHY).run(5, observe(tally(5), tally(95), short));
  const obeyed = obey(driven.state, { what: 'promote', by: PERSON, at: at(9), sentence: 'now' }, rollout);
  assert.ok('state' in obeyed && obeyed.state.phase.name === 'step' && obeyed.state.phase.step === 1);
  driven.runUntilMoved(20, observe(tally(50, 40), tally(95), short));
  assert.equal(driven.state.phase.name, 'rolled_back');
});
