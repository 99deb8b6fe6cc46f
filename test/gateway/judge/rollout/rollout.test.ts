import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FirstHits } from '../../../../gateway/judge/evidence/first-hits.ts';
import { emptyHistogram } from '../../../../gateway/judge/evidence/histogram.ts';
import { obey } from '../../../../gateway/judge/rollout/order.ts';
import {
  at,
  BOTH_FAILING,
  compared,
  Driven,
  FAILING,
  failure,
  GUARDED,
  HEALTHY,
  NO_TRAFFIC,
  observe,
  PERSON,
  rolloutWith,
  tally,
} from '../setup.ts';

const STEPS = 'steps: [5% for 1m, 25% for 2m], guard_time: 1m';
const BUSY = observe(tally(250), tally(750));
/** What is noted of failures that are all of one caller, who was counted before. */
const ONE_UNIT: FirstHits = { counts: [], all: [], part: 1, failingUnits: 1, isNew: false };
/** Everybody is on the candidate. */
const ALONE = observe(tally(1000), tally(0));

test('a healthy candidate takes its steps, is promoted, and is watched for the guard time', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(1, HEALTHY);
  assert.equal(driven.runUntilMoved(100, HEALTHY), 60);
  assert.equal(driven.runUntilMoved(1000, BUSY), 120);
  assert.deepEqual(driven.moves, ['pending -> step 1', 'step 1 -> step 2', 'step 2 -> promoted']);
  assert.match(driven.actions.at(-1)?.sentence ?? '', /^v2 failed 0 of 30,\d{3} \(0 %\): too few errors to compare/);
  assert.match(driven.run(10, observe(tally(1000), tally(0))).state.verdict?.sentence ?? '', /nobody is on v1/);
  assert.ok(driven.runUntilMoved(3, observe(tally(1000, 900), tally(0))) <= 2);
  assert.equal(driven.moves.at(-1), 'promoted -> suspended after the promotion');
});

test('a promoted candidate that fails again in its probe is ended, and one that does not keeps its guard time', () => {
  const promoted = () => new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(61, HEALTHY).run(120, BUSY).run(10, ALONE);
  const failing = observe(tally(1000, 900), tally(0));
  const ended = promoted().run(3, failing);
  ended.run(60, observe(tally(100, 90), tally(900)));
  assert.equal(ended.state.phase.name, 'rolled_back');
  const back = promoted().run(3, failing);
  const { phase } = back.state;
  assert.ok(phase.name === 'suspended' && phase.suspension.from.name === 'promoted');
  const left = phase.suspension.from.guardLeftMs;
  back.run(60, observe(tally(100), tally(900)));
  assert.ok(back.state.phase.name === 'promoted' && left > 45_000);
  assert.deepEqual(back.moves.slice(-2), [
    'suspended after the promotion -> suspended (probing) after the promotion',
    'suspended (probing) after the promotion -> promoted',
  ]);
  assert.ok(back.state.phase.guardLeftMs > left - 20_000 && back.state.phase.guardLeftMs < left);
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

test('a candidate that fails is suspended within seconds, with the numbers, the time and examples', () => {
  const examples = { errors: ['r-1', 'r-2'], slow: [] };
  const failing = observe(tally(5, 1, { examples }), tally(95));
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY);
  const seconds = driven.runUntilMoved(20, failing);
  assert.ok(seconds <= 6, `${seconds}`);
  const { phase, verdict } = driven.state;
  assert.ok(phase.name === 'suspended' && !phase.isHeld);
  assert.equal(phase.suspension.guard, 'errors_versus_baseline');
  assert.match(
    phase.suspension.sentence,
    /^v2 failed \d of \d\d \(20 %\), v1 0 of \d+ \(0 %\) since 2026-01-01T00:00:3\d.000Z; 1.5x is tolerated \(odds [\d,]+ to 1, 25 suspends it\)$/,
  );
  assert.deepEqual(verdict?.examples.slice(0, 2), ['r-1', 'r-2']);
  assert.equal(driven.actions.at(-1)?.isUrgent, false);
  assert.match(
    driven.run(1, HEALTHY).state.verdict?.sentence ?? '',
    /^suspended, its callers are with v1: v2 failed .*; a probe follows in 29 s$/,
  );
});

test('a candidate that fails again when other callers ask it is ended, and then nothing brings it back', () => {
  const failing = observe(tally(5, 1), tally(95));
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY);
  driven.runUntilMoved(20, failing);
  assert.equal(driven.runUntilMoved(100, failing), 30, 'the pause');
  driven.run(1, failing);
  driven.runUntilMoved(100, failing);
  const { phase } = driven.state;
  assert.ok(phase.name === 'rolled_back');
  assert.equal(phase.rollback.guard, 'errors_versus_baseline');
  assert.match(
    phase.rollback.sentence,
    /^again, in a probe: v2 failed .*; 1.5x is tolerated \(odds [\d,]+ to 1, [\d,]+ ends the rollout\)/,
  );
  assert.equal(driven.actions.at(-1)?.isUrgent, true);
  assert.deepEqual(driven.run(10, HEALTHY).moves.slice(-3), [
    'step 1 -> suspended in step 1',
    'suspended in step 1 -> suspended (probing) in step 1',
    'suspended (probing) in step 1 -> rolled back',
  ]);
});

test('a candidate whose probe finds nothing goes on with its step, and what suspended it is not held against it again', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY).runInto('suspended', FAILING);
  assert.equal(driven.state.phase.name, 'suspended');
  const { bakedMs } = driven.state;
  assert.equal(driven.runUntilMoved(100, HEALTHY) + driven.runUntilMoved(100, HEALTHY), 45);
  assert.deepEqual(driven.state.phase, { name: 'step', step: 0 });
  assert.match(driven.actions.at(-1)?.sentence ?? '', /^a probe found nothing: v2 failed 0 of \d+ \(0 %\)$/);
  assert.deepEqual([driven.state.bakedMs, driven.state.acquittals], [bakedMs, 1], 'time away is no bake time');
  assert.equal(driven.run(20, HEALTHY).state.phase.name, 'step');
  assert.ok(driven.runUntilMoved(60, HEALTHY) < 60);
  assert.deepEqual(driven.state.phase, { name: 'step', step: 1 });
});

test('after a suspension that was nothing a candidate that fails more than is tolerated is still not promoted', () => {
  const rollout = rolloutWith(`steps: [25% for 1m], rollback: {}`);
  const driven = new Driven(rollout).run(2, BUSY).run(3, observe(tally(250, 200), tally(750)));
  driven.run(60, BUSY);
  assert.equal(driven.state.acquittals, 1);
  // Two in a hundred fail beside one: thinned to one failure in three seconds it would look as good.
  const { promotion } = driven.state.evidence;
  driven.run(20, observe(tally(250, 5), tally(750, 7)), { isAutomatic: false });
  const grown = driven.state.evidence.promotion.counted;
  assert.deepEqual([grown.trials - promotion.counted.trials, grown.hits - promotion.counted.hits], [5000, 100]);
  assert.ok(driven.state.evidence.promotion.log < promotion.log - 3, 'it speaks against it');
});

test('callers who were found to fail anyway are an excuse as long as they fail: a few who fail later are looked at again', () => {
  const rollout = rolloutWith('steps: [5% for 10h], rollback: {}');
  const one = { ...observe(tally(5, 5), tally(95)), more: { hits: ONE_UNIT } };
  const back = () =>
    new Driven(rollout).run(31, HEALTHY).runInto('suspended', one).runInto('probing', one).runInto('step', HEALTHY);
  assert.equal(back().state.excusedUnits, 1);
  assert.equal(back().run(200, one).state.phase.name, 'step', 'he fails on');
  const gone = back().run(310, HEALTHY);
  assert.equal(gone.state.excusedUnits, 0);
  assert.ok(gone.runUntilMoved(10, one) <= 3);
  assert.equal(gone.state.phase.name, 'suspended');
});

test('probes that find the same without proof are followed by longer pauses, and after four a person decides', () => {
  const rollout = rolloutWith(`steps: [5% for 10m], rollback: {}`);
  const driven = new Driven(rollout).run(31, HEALTHY);
  // One caller alone: he fails in every request, and that proves nothing of others.
  const one = observe(tally(5, 5, { hits: [failure(7)] }), tally(95), { hits: ONE_UNIT });
  driven.runInto('suspended', one);
  const pauses: number[] = [];
  for (let i = 0; i < 4; i++) {
    pauses.push(driven.runUntilMoved(1000, one));
    driven.runInto('probing', one).runInto('suspended', one);
  }
  assert.deepEqual(pauses, [30, 60, 120, 240]);
  driven.run(1, one);
  assert.ok(driven.state.phase.name === 'suspended' && driven.state.phase.isHeld);
  assert.match(
    driven.actions.at(-1)?.sentence ?? '',
    /^4 probes found the same, .*: a person decides \(resume or rollback\)/,
  );
  assert.equal(driven.actions.at(-1)?.isUrgent, true);
  const { moves } = driven;
  assert.deepEqual(driven.run(3600, HEALTHY).moves, moves, 'until then it stays');
});

test('a probe that nobody else answers is widened to the own callers, who are then asked as long as it takes', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY).runInto('suspended', FAILING);
  driven.run(30, HEALTHY);
  assert.equal(driven.state.phase.name, 'probing');
  assert.equal(driven.runUntilMoved(100, NO_TRAFFIC), 45);
  assert.match(driven.actions.at(-1)?.sentence ?? '', /^nobody else asked v2: its own callers are to ask again$/);
  assert.ok(driven.state.phase.name === 'probing' && driven.state.phase.isOwnBlock);
  driven.run(1200, NO_TRAFFIC);
  assert.equal(driven.state.phase.name, 'probing', 'nothing was seen, so nothing was found');
  assert.ok(driven.runUntilMoved(100, HEALTHY) < 30);
  assert.deepEqual(driven.state.phase, { name: 'step', step: 0 });
});

test('a pause and a probe wait while the candidate has no servers', () => {
  const away = { ...HEALTHY, more: { isReady: false, capacity: 0 } };
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY).runInto('suspended', FAILING);
  assert.equal(driven.runUntilMoved(599, away), Number.POSITIVE_INFINITY);
  assert.match(driven.state.verdict?.sentence ?? '', /; a probe waits for the servers of v2$/);
  driven.run(30, HEALTHY);
  assert.equal(driven.state.phase.name, 'probing');
  assert.equal(driven.runUntilMoved(4000, { ...NO_TRAFFIC, more: away.more }), Number.POSITIVE_INFINITY);
  assert.equal(driven.state.inPhase.ms, 0);
});

test('before a probe the servers are warmed up, for ten seconds at most', () => {
  const cold = { ...HEALTHY, more: { isWarm: false } };
  const suspended = () =>
    new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY).runInto('suspended', FAILING);
  const { inPhase } = suspended().state;
  assert.equal(suspended().runUntilMoved(100, HEALTHY), (30_000 - inPhase.ms) / 1000);
  assert.equal(suspended().runUntilMoved(100, cold), (40_000 - inPhase.ms) / 1000);
});

test('the first callers wait for warm servers, for ten seconds at most, and not where no one asks the baseline', () => {
  const cold = { isWarm: false };
  const until = (seen: typeof HEALTHY) => new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).runUntilMoved(100, seen);
  assert.equal(until(HEALTHY), 1);
  assert.equal(until({ ...HEALTHY, more: cold }), 10);
  assert.equal(until({ ...NO_TRAFFIC, more: { ...cold, isAsked: false } }), 1);
  // A rollout that a reload brings has not watched anyone yet.
  assert.equal(until({ ...NO_TRAFFIC, more: { ...cold, isAsked: true } }), 10);
  assert.equal(until({ ...HEALTHY, more: { isReady: false } }), Number.POSITIVE_INFINITY);
});

const UNANSWERED = observe(tally(5, 0, { outcomes: { ...tally(5).outcomes, server_fault: 10 } }), tally(95));

test('servers that do not answer suspend the candidate, and only a version that crashes them in three probes is ended', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY);
  assert.ok(driven.runUntilMoved(10, UNANSWERED) <= 2);
  assert.ok(driven.state.phase.name === 'suspended' && driven.state.phase.suspension.guard === 'servers');
  assert.match(driven.actions.at(-1)?.sentence ?? '', /^the servers of v2 do not answer: /);
  const pauses = [1, 2, 3].map(() => [driven.runUntilMoved(1000, UNANSWERED), driven.runUntilMoved(1000, UNANSWERED)]);
  assert.deepEqual(pauses, [
    [30, 1],
    [60, 1],
    [120, 1],
  ]);
  assert.equal(driven.state.phase.name, 'rolled_back');
  assert.match(driven.actions.at(-1)?.sentence ?? '', /, 3 times in a row: it crashes them$/);
});

test('one restart of its only server ends no rollout: the probe finds it well', () => {
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`))
    .run(31, HEALTHY)
    .runInto('suspended', UNANSWERED)
    .runInto('probing', HEALTHY);
  assert.deepEqual(driven.runInto('step', HEALTHY).state.phase, { name: 'step', step: 0 });
});

test('servers that fail in every probe while those of the baseline fail as well are no fault of the version', () => {
  const out = { outcomes: { ...tally(5).outcomes, server_fault: 95 } };
  const fleet = observe(UNANSWERED.candidate, tally(5, 0, out));
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY).runInto('suspended', UNANSWERED);
  for (let probe = 1; probe <= 4; probe++) driven.runInto('probing', HEALTHY).runInto('suspended', fleet);
  const { phase } = driven.run(2000, fleet).state;
  assert.ok(phase.name === 'suspended' && phase.isHeld && phase.suspension.crashes === 0);
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

test('a total outage of both is a shared failure: nobody is suspended', () => {
  const driven = new Driven(rolloutWith(`steps: [5%], rollback: {}`)).run(2, HEALTHY);
  driven.run(5, observe(tally(5, 5), tally(95, 95)));
  assert.deepEqual(driven.state.phase, { name: 'holding', step: 0, why: 'cannot_tell' });
  assert.match(driven.state.verdict?.sentence ?? '', /^shared failure, no blame: v2 failed .*; v1 fails too, /);
});

test('a shared failure is one also when hardly anyone is on the baseline: the candidate is not blamed before it is known whose failure it is', () => {
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
  assert.equal(blamed.state.phase.name, 'suspended');
});

test('when everything fails the callers are free after two seconds, beside a baseline or without one', () => {
  for (const baseline of [tally(95), tally(0)]) {
    const driven = new Driven(rolloutWith('steps: [5%], rollback: {}'))
      .run(2, HEALTHY)
      .run(10, observe(tally(0), baseline));
    assert.ok(driven.runUntilMoved(5, observe(tally(5, 5), baseline)) <= 2);
    assert.equal(driven.state.phase.name, 'suspended');
  }
});

test('the breaker is for the seconds in which there is no evidence yet, and ends nothing', () => {
  const one = { ...observe(tally(5, 5), tally(95)), more: { hits: ONE_UNIT } };
  const driven = new Driven(rolloutWith('steps: [5%], rollback: {}')).run(2, HEALTHY).run(4000, one);
  assert.match(
    driven.actions[1]?.sentence ?? '',
    /^v2 failed \d+ of \d+ \(\d+ %\) in the last seconds, v1 0 of \d+ \(0 %\)$/,
  );
  assert.ok(driven.state.phase.name === 'suspended' && driven.state.phase.isHeld);
});

test('servers that have not been back for ten minutes are for a person: no probe follows by itself', () => {
  const away = { ...HEALTHY, more: { isReady: false, capacity: 0 } };
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY).runInto('suspended', FAILING);
  assert.equal(driven.runUntilMoved(1000, away), 600);
  assert.ok(driven.state.phase.name === 'suspended' && driven.state.phase.isHeld);
  assert.match(
    driven.actions.at(-1)?.sentence ?? '',
    /^the servers of v2 have not been back for 10 min: a person decides/,
  );
  assert.equal(driven.actions.at(-1)?.isUrgent, true);
});

const EDGES = { cpu: [100, 200], gpu: [100, 200] };

function slowHits(count: number, latencyMs: number, serverClass: 'cpu' | 'gpu' = 'cpu') {
  return Array.from({ length: count }, (_, i) => failure(i, { isError: false, latencyMs, serverClass }));
}

function withEdges(keys: string): Driven {
  const driven = new Driven(rolloutWith(`${STEPS}, ${keys}`)).run(2, HEALTHY);
  driven.state = { ...driven.state, edges: EDGES };
  return driven;
}

test('a slow candidate is suspended by what is slower than the baseline, each class of servers on its own', () => {
  const base = tally(95, 0, { hits: [...slowHits(4, 150), ...slowHits(1, 210)] });
  const out = withEdges('rollback: {}').run(40, observe(tally(5, 0, { hits: slowHits(3, 300) }), base));
  assert.equal(out.actions[1]?.to, 'suspended in step 1');
  assert.match(
    out.actions[1]?.sentence ?? '',
    /^v2 is more than 1.2x as slow as v1: \d+ of \d+ \(60 %\) beyond 1.2x its 99th percentile, v1 /,
  );
  // A fifth slower is tolerated.
  const little = withEdges('rollback: {}').run(40, observe(tally(5, 0, { hits: slowHits(1, 120) }), base));
  assert.equal(little.state.phase.name, 'step');
  // All of the candidate's on slower servers of another class: nobody to compare with, so nothing is held against it.
  const apart = withEdges('rollback: {}');
  apart.run(40, observe(tally(5, 0, { timed: { cpu: 0, gpu: 5 }, hits: slowHits(5, 900, 'gpu') }), base));
  assert.equal(apart.state.phase.name, 'step');
});

test('a slow candidate that is still slow in its probe is ended, also where nothing fails', () => {
  const base = tally(95, 0, { hits: slowHits(1, 210) });
  const slow = observe(tally(5, 0, { hits: slowHits(3, 300) }), base);
  const driven = withEdges('rollback: {}').run(300, slow);
  assert.equal(driven.state.phase.name, 'rolled_back');
  const well = withEdges('rollback: {}').runInto('suspended', slow).runInto('probing', slow);
  assert.deepEqual(well.runInto('step', observe(tally(5), base)).state.phase, { name: 'step', step: 0 });
});

test('a latency ceiling is about the 99th percentile, and holds while the baseline breaches it', () => {
  const over = (mine: number, theirs: number) =>
    observe(tally(50, 0, { hits: slowHits(mine, 300) }), tally(950, 0, { hits: slowHits(theirs, 300) }));
  const keys = 'rollback: { latency_p99: 250ms }';
  assert.equal(withEdges(keys).run(20, over(5, 5)).state.phase.name, 'suspended');
  assert.deepEqual(withEdges(keys).run(20, over(5, 95)).state.phase, { name: 'holding', step: 0, why: 'cannot_tell' });
});

test('at 100 % without a holdback nothing is compared, and the status says so; the ceiling still holds', () => {
  const rollout = rolloutWith(`steps: [100% for 10m], ${GUARDED}`);
  const driven = new Driven(rollout).run(1, HEALTHY).run(10, observe(tally(100, 1), tally(0)));
  assert.match(driven.state.verdict?.sentence ?? '', /; nobody is on v1, so nothing is compared with it$/);
  driven.runUntilMoved(20, observe(tally(100, 8), tally(0)));
  assert.equal(driven.state.phase.name, 'suspended');
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
  driven.run(4, FAILING);
  assert.equal(driven.state.phase.name, 'suspended');
  // A probe that finds nothing does not undo the pause.
  driven.run(60, HEALTHY);
  assert.deepEqual(driven.state.phase, { name: 'holding', step: 0, why: 'paused' });
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
  assert.deepEqual(driven.moves, ['pending -> step 1', 'would: step 1 -> suspended in step 1']);
  const healthy = new Driven(rolloutWith(`${STEPS}, rollback: { action: dry_run }`)).run(600, HEALTHY);
  assert.deepEqual(healthy.moves, ['pending -> step 1', 'would: step 1 -> step 2']);
});

for (const action of ['dry_run', 'freeze'] as const) {
  test(`a policy that says ${action} while a candidate is suspended lets probes go on, and none of them ends it`, () => {
    const suspended = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`))
      .run(31, HEALTHY)
      .runInto('suspended', FAILING).state;
    const after = (seen: typeof HEALTHY) => {
      const driven = new Driven(rolloutWith(`${STEPS}, rollback: { action: ${action} }`));
      driven.state = suspended;
      return driven.run(1200, seen).state.phase;
    };
    assert.ok(['step', 'awaiting_approval', 'promoted'].includes(after(HEALTHY).name), after(HEALTHY).name);
    const failing = after(FAILING);
    assert.ok(failing.name === 'suspended' && failing.isHeld);
  });
}

test('callers who would find no room on the baseline stay, a person is called, and they leave when there is room', () => {
  const failing = (room: number) => ({ ...FAILING, more: { room } });
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(31, HEALTHY).run(4, failing(0.01));
  assert.deepEqual(driven.state.phase, { name: 'holding', step: 0, why: 'no_room' });
  assert.equal(driven.actions.at(-1)?.isUrgent, true);
  assert.match(
    driven.actions.at(-1)?.sentence ?? '',
    /its callers cannot go back: the servers of v1 .* for 1 % of the traffic$/,
  );
  assert.equal(driven.runUntilMoved(60, failing(0.04)), Number.POSITIVE_INFINITY);
  assert.equal(driven.runUntilMoved(60, failing(0.05)), 1);
  assert.equal(driven.state.phase.name, 'suspended');
  assert.deepEqual(driven.run(60, HEALTHY).state.phase, { name: 'step', step: 0 });
});

test('a promotion in trouble that cannot be given back, or whose guards only hold, calls a person once', () => {
  const failing = { ...observe(tally(1000, 900), tally(0)), more: { room: 0.5 } };
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(61, HEALTHY).run(125, BUSY).run(20, failing);
  assert.equal(driven.state.phase.name, 'promoted');
  assert.deepEqual(driven.moves.slice(-2), ['step 2 -> promoted', 'would: promoted -> promoted']);
  assert.equal(driven.actions.at(-1)?.isUrgent, true);
  const frozen = new Driven(rolloutWith(`${STEPS}, rollback: { action: freeze }`)).run(61, HEALTHY).run(125, BUSY);
  frozen.run(20, { ...failing, more: {} });
  assert.deepEqual(
    [frozen.state.phase.name, frozen.moves.length, frozen.actions.at(-1)?.isUrgent],
    ['promoted', 4, true],
  );
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

test('disagreement above its guard suspends and then ends the rollout; without the guard it only keeps it from promotion', () => {
  const seen = { ...BUSY, more: { comparisons: compared([20, 5], [20, 1]) } };
  const guarded = new Driven(rolloutWith(`${STEPS}, rollback: { disagreement: 3% }`)).run(1, HEALTHY).run(120, seen);
  assert.match(guarded.actions[1]?.sentence ?? '', /^v2 disagreed with v1 in \d+ of \d+ \(25 %\)/);
  assert.deepEqual([guarded.actions[1]?.event, guarded.state.phase.name], ['suspend', 'rolled_back']);
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
    const driven = new Driven(rollout).run(1, HEALTHY).run(50, { ...HEALTHY, more: { comparisons } });
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
    if (phase === 'rolled_back') driven.run(200, FAILING);
    const obeyed = obey(driven.state, { what, by: PERSON, at: at(0), sentence: '' }, rollout);
    assert.ok('refused' in obeyed);
    assert.match(obeyed.refused, wanted);
  });
}

test('edges of slowness follow the baseline every minute, and evidence of one step is kept in the next', () => {
  const answers = { cpu: emptyHistogram().fill(1), gpu: emptyHistogram() };
  let asked = 0;
  const recent = () => {
    asked++;
    return answers;
  };
  const driven = new Driven(rolloutWith(`${STEPS}, ${GUARDED}`)).run(3, { ...HEALTHY, more: { recent } });
  const { edges } = driven.state;
  assert.deepEqual([edges.cpu.length, edges.gpu.length, asked], [2, 0, 1]);
  driven.run(60, { ...HEALTHY, more: { recent } });
  assert.deepEqual([asked, driven.state.edges], [2, edges]);
  assert.deepEqual(driven.state.phase, { name: 'step', step: 1 });
  assert.ok(driven.state.evidence.promotion.counted.trials >= 300);
  // A baseline that is silent keeps the edges that it had.
  driven.run(120, HEALTHY);
  assert.deepEqual(driven.state.edges, edges);
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
  assert.equal(driven.state.phase.name, 'suspended');
});

test('a candidate that fails at its full share and does well in every probe is for a person after five suspensions', () => {
  const driven = new Driven(rolloutWith('steps: [5% for 10m], rollback: {}')).run(31, HEALTHY);
  for (let i = 0; i < 5; i++) {
    driven.runInto('suspended', FAILING);
    if (i < 4) driven.runInto('probing', HEALTHY).runInto('step', HEALTHY);
  }
  driven.run(2, HEALTHY);
  assert.ok(driven.state.phase.name === 'suspended' && driven.state.phase.isHeld);
  assert.match(
    driven.actions.at(-1)?.sentence ?? '',
    /^suspended 5 times within minutes of its callers' return, and every probe found nothing: a person decides/,
  );
});

test('a suspension long after the last one is no relapse', () => {
  const driven = new Driven(rolloutWith('steps: [5% for 10h], rollback: {}')).run(31, HEALTHY);
  for (let i = 0; i < 7; i++)
    driven.runInto('suspended', FAILING).runInto('probing', HEALTHY).runInto('step', HEALTHY).run(301, HEALTHY);
  assert.deepEqual([driven.state.phase.name, driven.state.acquittals, driven.state.relapses], ['step', 7, 0]);
});
