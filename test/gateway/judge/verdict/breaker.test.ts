import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addRecent, NO_RECENT, type Recent } from '../../../../gateway/judge/evidence/recent.ts';
import { emptyTally, GROUPS, type Tally } from '../../../../gateway/judge/evidence/tally.ts';
import { type BreakerInput, breakerOf } from '../../../../gateway/judge/verdict/breaker.ts';

/** An arm in one second: each number is a group that asked so often and failed so often. */
type Asked = readonly (readonly [requests: number, failed: number])[];

function arm(asked: Asked, serverFaults = 0): Tally {
  const empty = emptyTally();
  const column = (at: 0 | 1) => Array.from({ length: GROUPS }, (_, i) => asked[i]?.[at] ?? 0);
  const sum = (at: 0 | 1) => asked.reduce((total, each) => total + each[at], 0);
  return {
    ...empty,
    outcomes: { ...empty.outcomes, server_fault: serverFaults },
    judged: { trials: sum(0), hits: sum(1) },
    groups: asked.length === 0 ? empty.groups : { requests: column(0), failed: column(1) },
  };
}

/** So many groups that asked once, of which some failed. */
function each(groups: number, failed = 0): Asked {
  return Array.from({ length: groups }, (_, i) => [1, i < failed ? 1 : 0]);
}

function after(seconds: number, mine: Tally, theirs: Tally, recent: Recent = NO_RECENT): Recent {
  let now = recent;
  for (let i = 0; i < seconds; i++) now = addRecent(now, { candidate: mine, baseline: theirs, coin: 0.05 });
  return now;
}

function breaker(recent: Recent, more: Partial<BreakerInput> = {}) {
  const input = {
    recent,
    consecutiveFailures: 10,
    failingUnits: 1,
    excusedUnits: 0,
    isServed: true,
    crowd: 0,
    ...more,
  };
  return breakerOf(input);
}

const WELL = arm(each(50));

test('a candidate whose every request fails for two seconds is one whose callers should leave, also of one caller', () => {
  const one = arm([[10, 10]]);
  assert.equal(breaker(after(1, one, WELL)), 'closed');
  assert.equal(breaker(after(2, one, WELL)), 'open');
});

test('few requests are not enough, and a second without any changes nothing', () => {
  const rare = arm([[1, 1]]);
  let recent = NO_RECENT;
  for (let i = 0; i < 4; i++) recent = after(3, arm([]), WELL, after(1, rare, WELL, recent));
  assert.deepEqual(recent.allFailed, { seconds: 4, requests: 4 });
  assert.equal(breaker(recent), 'closed');
  // More that failed in half a minute, and none that did not, are enough however few a policy wants in a row.
  const often = after(3, rare, WELL, recent);
  assert.equal(breaker(often), 'open');
  assert.equal(breaker(recent, { consecutiveFailures: 4 }), 'open', 'a row as long as the policy says');
});

test('one success begins the row anew', () => {
  const recent = after(1, arm([[10, 10]]), WELL, after(1, arm([[10, 9]]), WELL, after(1, arm([[10, 10]]), WELL)));
  assert.deepEqual(recent.allFailed, { seconds: 1, requests: 10 });
});

test('a candidate that fails in a fifth of its requests and groups opens it, in seconds', () => {
  const failing = arm(each(5, 1));
  let seconds = 0;
  let recent = NO_RECENT;
  while (breaker(recent) === 'closed' && ++seconds < 60) recent = after(1, failing, WELL, recent);
  assert.ok(seconds >= 6 && seconds <= 10, `${seconds}`);
});

test('a caller who retries counts once a second, and one who asks a hundred times a second by his requests', () => {
  // One group of ten fails and retries thirty times: most requests fail, a tenth of the groups.
  const retrying = arm([[30, 30], ...each(9)]);
  assert.equal(breaker(after(60, retrying, WELL)), 'closed');
  // One caller alone whose requests fail rarely: every second of the one group has a failure, few requests have.
  const heavy = arm([[100, 1]]);
  assert.equal(breaker(after(60, heavy, WELL)), 'closed');
});

test('a baseline that fails alike makes it a shared failure', () => {
  const out = arm([[20, 20]]);
  assert.equal(breaker(after(2, out, arm(each(50, 50)))), 'shared');
  assert.equal(breaker(after(2, out, arm(each(50, 13)))), 'shared', 'a quarter as often');
  assert.equal(breaker(after(2, out, arm(each(50, 11)))), 'open', 'less than that');
  assert.equal(breaker(after(2, out, arm([]))), 'open', 'nobody there');
});

test('a candidate that fails a little more often than a baseline that fails too is for the evidence', () => {
  assert.equal(breaker(after(60, arm(each(20, 4)), arm(each(50, 4)))), 'closed');
});

test('servers that leave half of the requests without an answer are at fault, unless those of the baseline do too', () => {
  const away = arm(each(3), 5);
  assert.equal(breaker(after(1, away, WELL)), 'servers');
  assert.equal(breaker(after(1, arm(each(3), 4), WELL)), 'closed', 'too few');
  assert.equal(breaker(after(1, arm(each(10), 5), WELL)), 'closed', 'most are answered');
  assert.equal(breaker(after(1, away, arm(each(10), 10))), 'shared');
});

test('where no server is left for the candidate one failure is enough', () => {
  const one = after(1, arm(each(3), 1), WELL);
  assert.equal(breaker(one), 'closed');
  assert.equal(breaker(one, { isServed: false }), 'servers');
  assert.equal(breaker(after(1, arm(each(3)), WELL), { isServed: false }), 'closed', 'nobody noticed');
});

test('callers who failed before a probe that found nothing are no reason to open it again; twice as many are', () => {
  const failing = after(3, arm(each(20, 20)), WELL);
  assert.equal(breaker(failing, { failingUnits: 6, excusedUnits: 3 }), 'closed');
  assert.equal(breaker(failing, { failingUnits: 7, excusedUnits: 3 }), 'open');
});
