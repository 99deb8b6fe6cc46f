import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, unitIdIn } from '../../../gateway/decide/bucket.ts';
import { decide } from '../../../gateway/decide/decide.ts';
import type { Call, Facts } from '../../../gateway/flow.ts';
import { modelOf, request, versionIn } from './setup.ts';

const model = (rollout: string, pins = 'none') =>
  modelOf(
    `  digits:
    timeout: 1s
    versions: { v1: { servers: [s], version: "7" }, v2: { servers: [s] }, v3: { servers: [s] } }
    baseline: v1
    pins: ${pins}
    ${rollout}
`,
    'digits',
  );

const rollout = (share: string, more = '', unit = 'header x-user-id') =>
  `rollout: { id: digits-v2, candidate: v2, unit: ${unit}, steps: [${share}]${more} }`;

const facts = (user: string | undefined, more: Partial<Facts> = {}) =>
  request(user === undefined ? {} : { 'x-user-id': user }, undefined, more);

test('the share of 10,000 callers at 10 % is within 4 standard errors, and each keeps its version', () => {
  const canary = model(rollout('10%'));
  const chosen = Array.from({ length: 10_000 }, (_, i) => versionIn(decide(canary, facts(`user-${i}`), 0)));
  const share = chosen.filter((version) => version === 'v2').length / 10_000;
  assert.ok(Math.abs(share - 0.1) < 4 * Math.sqrt((0.1 * 0.9) / 10_000), `share ${share}`);
  assert.deepEqual(
    Array.from({ length: 10_000 }, (_, i) => versionIn(decide(canary, facts(`user-${i}`), 0.999))),
    chosen,
  );
});

test('raising the share from 10 % to 25 % moves no caller back to the baseline', () => {
  const [before, after] = [model(rollout('10%')), model(rollout('25%'))];
  let joined = 0;
  for (let i = 0; i < 50_000; i++) {
    const was = versionIn(decide(before, facts(`user-${i}`), 0));
    const is = versionIn(decide(after, facts(`user-${i}`), 0));
    if (was === 'v2') assert.equal(is, 'v2', `user-${i} moved back`);
    if (was !== is) joined++;
  }
  assert.ok(Math.abs(joined / 50_000 - 0.15) < 0.007, `${joined} joined`);
});

test('at 0 % no one and at 100 % everyone gets the candidate', () => {
  for (let i = 0; i < 1000; i++) {
    assert.equal(versionIn(decide(model(rollout('0%')), facts(`user-${i}`), 0)), 'v1');
    assert.equal(versionIn(decide(model(rollout('100%')), facts(`user-${i}`), 0.999999)), 'v2');
  }
});

/** without_unit, the caller's header, the random draw, what is decided. */
const WITHOUT_UNIT: readonly (readonly [string, string | undefined, number, string])[] = [
  [', without_unit: random', undefined, 0.0999, 'v2'],
  [', without_unit: random', undefined, 0.1, 'v1'],
  [', without_unit: random', '', 0.0999, 'v2'],
  [', without_unit: reject', undefined, 0, 'no_unit'],
  [', without_unit: reject', '', 0, 'no_unit'],
  [', salt: digits.canary, without_unit: { key: user-7 }', undefined, 0.9, 'v2'], // slot 44,444 of the published vectors
  [', salt: digits.canary, without_unit: { key: user-1 }', undefined, 0, 'v1'], // slot 610,575
];

test('a request without the unit is handled as the policy says', () => {
  for (const [more, user, random, expected] of WITHOUT_UNIT)
    assert.equal(
      versionIn(decide(model(rollout('10%', more)), facts(user), random)),
      expected,
      `${more} ${user} ${random}`,
    );
});

test('a random unit ignores who calls', () => {
  const random = model(rollout('10%', '', 'random'));
  assert.equal(versionIn(decide(random, facts('user-7'), 0.5)), 'v1');
  assert.equal(versionIn(decide(random, facts('user-1'), 0.05)), 'v2');
});

test('a pin beats the rollout where the policy allows pins, by our label or by the name of the server', () => {
  const open = model(rollout('100%'), 'any');
  assert.deepEqual(decide(open, facts('u', { pin: 'v3' }), 0), {
    kind: 'serve',
    model: 'digits',
    version: 'v3',
    why: 'pin',
  });
  assert.equal(versionIn(decide(open, facts('u', { pin: '7' }), 0)), 'v1');
  assert.equal(versionIn(decide(open, facts('u', { pin: 'v9' }), 0)), 'unknown_version');
  assert.equal(versionIn(decide(open, facts('u', { pin: '__proto__' }), 0)), 'unknown_version');
  assert.equal(versionIn(decide(model(rollout('100%')), facts('u', { pin: 'v3' }), 0)), 'pin_not_allowed');
});

test('a look at the model is answered by the baseline, so that it never changes between two looks', () => {
  for (const call of ['metadata', 'ready'] satisfies Call[])
    assert.equal(versionIn(decide(model(rollout('100%')), facts('u', { call }), 0)), 'v1');
});

/** The id of the unit `u` under digits.canary.digits-v2. */
const U = unitIdIn(digestOf('v1:digits.canary.digits-v2:', 'u'));

test('a request without a unit has no id, and one that a key stands in for has the id of the key', () => {
  const sorted = (more: string) => {
    const decision = decide(model(rollout('0%', more)), facts(undefined), 0);
    return decision.kind === 'serve' && decision.sorted;
  };
  const none = { rollout: undefined, unit: undefined, unitId: undefined, view: 0 };
  assert.deepEqual(sorted(''), none);
  assert.deepEqual(sorted(', without_unit: { key: u }'), { ...none, unit: 'u', unitId: U });
});

test('a decision names the state of the rollouts that it was made by', () => {
  const compiled = model(rollout('10%'));
  assert.ok(compiled.kind === 'served');
  for (const user of ['user-1', 'user-12']) {
    const decision = decide({ ...compiled, stamp: 7 }, facts(user), 0);
    assert.equal(decision.kind === 'serve' && decision.sorted?.view, 7);
  }
});

test('why a version was chosen is told', () => {
  assert.deepEqual(decide(model(rollout('100%')), facts('u'), 0), {
    kind: 'serve',
    model: 'digits',
    version: 'v2',
    why: 'rollout digits-v2',
    sorted: { rollout: 'digits-v2', unit: 'u', unitId: U, view: 0 },
  });
  assert.deepEqual(decide(model(rollout('0%')), facts('u'), 0), {
    kind: 'serve',
    model: 'digits',
    version: 'v1',
    why: 'baseline',
    sorted: { rollout: undefined, unit: 'u', unitId: U, view: 0 },
  });
});

test('a version that is out of service is led to by no arm and no pin, and its callers get the baseline', () => {
  const open = model(rollout('100%'), 'any');
  const candidate = open.kind === 'served' ? open.versions.get('v2') : undefined;
  assert.ok(candidate);
  const away = new Map([[candidate, 'was rolled back']]);
  assert.equal(versionIn(decide(open, facts('u'), 0, undefined, undefined, away)), 'v1');
  assert.equal(versionIn(decide(open, facts('u', { pin: 'v2' }), 0, undefined, undefined, away)), 'out_of_service');
  assert.equal('sorted' in decide(open, facts('u'), 0, undefined, undefined, away), false); // and no one is judged by it
});
