import assert from 'node:assert/strict';
import { test } from 'node:test';
import { slotOf } from '../../../gateway/decide/bucket.ts';
import { decide } from '../../../gateway/decide/decide.ts';
import { chiSquare, counted, digits, request, versionIn } from './setup.ts';

const USERS = 200_000;

const LIST = (first: string, second: string) =>
  digits(`rollout: [
      { id: r2, candidate: v2, unit: header x-user-id, from: 0%, steps: [${first}] },
      { id: r3, candidate: v3, unit: header x-user-id, from: 50%, steps: [${second}] } ]`);

for (const [what, before, after, grown] of [
  ['the first', LIST('5%', '5%'), LIST('25%', '5%'), 'v2'],
  ['the second', LIST('5%', '5%'), LIST('5%', '25%'), 'v3'],
] as const) {
  test(`when ${what} of two candidates ramps from 5 % to 25 %, 0 of ${USERS} callers move back or across`, () => {
    let joined = 0;
    for (let i = 0; i < USERS; i++) {
      const facts = request({ 'x-user-id': `user-${i}` });
      const [from, to] = [versionIn(decide(before, facts, 0)), versionIn(decide(after, facts, 0))];
      if (from === to) continue;
      assert.deepEqual([from, to], ['v1', grown], `user-${i}`);
      joined++;
    }
    assert.ok(Math.abs(joined / USERS - 0.2) < 4 * Math.sqrt((0.2 * 0.8) / USERS), `${joined} joined`);
  });
}

test('blocks that touch leave no one out and no one twice: at 50 % and 50 % everyone has a candidate', () => {
  const model = LIST('50%', '50%');
  for (let i = 0; i < 10_000; i++)
    assert.notEqual(versionIn(decide(model, request({ 'x-user-id': `user-${i}` }), 0)), 'v1');
});

test('a request without the unit is drawn once, into one block or none', () => {
  const model = LIST('5%', '5%');
  for (const [random, expected] of [
    [0, 'v2'],
    [0.049_999_9, 'v2'],
    [0.05, 'v1'],
    [0.499_999_9, 'v1'],
    [0.5, 'v3'],
    [0.549_999_9, 'v3'],
    [0.55, 'v1'],
    [0.999_999_999, 'v1'],
  ] as const)
    assert.equal(versionIn(decide(model, request({}), random)), expected, `${random}`);
});

/** The purposes of one model; their salts must behave as unrelated ones do. */
const SALTS = [
  'digits.canary',
  'digits.canary.digits-v2',
  'digits.canary.digits-v3',
  'digits.shadow',
  'exp-7.ab',
  'digits.holdout',
  'spam.canary',
];

for (const [i, a] of SALTS.entries())
  for (const b of SALTS.slice(i + 1)) {
    test(`the salts ${a} and ${b} are independent: 100,000 users in ten by ten bins`, () => {
      const bin = (salt: string, n: number) => Math.floor(slotOf(salt, `user-${n}`) / 100_000);
      const table = counted(
        Array.from({ length: 100_000 }, (_, n) => [bin(a, n), bin(b, n)] as const),
        10,
      );
      // The 99.9 % point with 81 degrees of freedom.
      assert.ok(chiSquare(table) < 126.1, `chi-square ${chiSquare(table)}`);
    });
  }

test('one version at the same share is given to independent callers by rollout, experiment and shadow', () => {
  const rollout = digits('rollout: { id: r, candidate: v2, unit: header u, steps: [20%] }');
  const experiment = digits('experiment: { id: e, unit: header u, arms: { v2: 20% } }');
  const got = Array.from({ length: 100_000 }, (_, i) => {
    const facts = request({ u: `user-${i}` });
    const by = [rollout, experiment].map((model) => (versionIn(decide(model, facts, 0)) === 'v2' ? 1 : 0));
    return [...by, slotOf('digits.shadow', `user-${i}`) < 200_000 ? 1 : 0];
  });
  for (const [a, b] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ] as const) {
    const statistic = chiSquare(
      counted(
        got.map((row) => [row[a] ?? 0, row[b] ?? 0] as const),
        2,
      ),
    );
    assert.ok(statistic < 10.83, `chi-square ${statistic} with 1 degree of freedom`);
  }
});

test('a pin by header is for whoever sends what the policy asks for, all of it', () => {
  const model = digits('pins: { header: { X-Debug: [on, 1], x-team: search } }');
  const pinned = (headers: Record<string, string | string[]>) =>
    versionIn(decide(model, request(headers, undefined, { pin: 'v3' }), 0));
  assert.equal(pinned({ 'x-debug': 'on', 'x-team': 'search' }), 'v3');
  assert.equal(pinned({ 'x-debug': '1', 'x-team': 'search' }), 'v3');
  assert.equal(pinned({ 'x-debug': 'on' }), 'pin_not_allowed');
  assert.equal(pinned({ 'x-debug': 'on', 'x-team': 'Search' }), 'pin_not_allowed');
  assert.equal(pinned({ 'x-debug': 'off', 'x-team': 'search' }), 'pin_not_allowed');
  assert.equal(pinned({ 'x-debug': '', 'x-team': 'search' }), 'pin_not_allowed');
  assert.equal(pinned({}), 'pin_not_allowed');
  assert.equal(
    versionIn(decide(model, request({ 'x-debug': 'on', 'x-team': 'search' }, undefined, { pin: 'constructor' }), 0)),
    'unknown_version',
  );
});

test('a pin that is allowed beats experiment and rollout, also for a look at the model', () => {
  const model = digits(
    'pins: any',
    'experiment: { id: e, unit: header u, without_unit: reject, arms: { v2: 100% } }',
    'rollout: { id: r, candidate: v2, unit: header u, steps: [100%] }',
  );
  for (const call of ['infer', 'predict', 'metadata', 'ready'] as const)
    assert.equal(versionIn(decide(model, request({}, undefined, { call, pin: 'v3' }), 0)), 'v3');
});
