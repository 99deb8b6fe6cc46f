// Who is among the first: each rollout draws anew, and those that share a bucket space do not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decide } from '../../../gateway/decide/decide.ts';
import type { Model, ServedModel } from '../../../gateway/policy/policy.ts';
import { withSalt } from '../../../gateway/policy/salt.ts';
import { digits, modelOf, request, versionIn } from './setup.ts';

const USERS = 10_000;

const single = (id: string, share = '5%', more = '') =>
  digits(`rollout: { id: ${id}, candidate: v2, unit: header u, steps: [${share}]${more} }`);

test('a rollout with another id starts with other callers: of its 5 % about 5 % were in those before', () => {
  const [before, after] = [callersOf(single('first')), callersOf(single('second'))];
  const both = [...after].filter((user) => before.has(user)).length;
  assert.ok(Math.abs(before.size / USERS - 0.05) < 0.01, `${before.size}`);
  assert.ok(Math.abs(both / after.size - 0.05) < 0.04, `${both} of ${after.size}`);
});

test('rollouts of one id in two models start with other callers', () => {
  const other = modelOf(
    '  spam: { timeout: 1s, versions: { v1: { servers: [s] }, v2: { servers: [s] } }, baseline: v1, rollout: { id: first, candidate: v2, unit: header u, steps: [50%] } }\n',
    'spam',
  );
  assert.notDeepEqual(callersOf(other), callersOf(single('first', '50%')));
});

test('rollouts with the same salt start with the same callers, whatever their ids', () => {
  const [before, after] = [single('first', '5%', ', salt: spring'), single('second', '5%', ', salt: spring')];
  assert.deepEqual(callersOf(after), callersOf(before));
  assert.equal(served(after).sortingSalt, 'spring');
});

test('rollouts of a list share one bucket space, and another id of one moves none of its callers', () => {
  const list = (id: string) =>
    digits(`rollout: [
      { id: ${id}, candidate: v2, unit: header u, from: 0%, steps: [50%] },
      { id: other, candidate: v3, unit: header u, from: 50%, steps: [50%] } ]`);
  assert.deepEqual(callersOf(list('first')), callersOf(list('second')));
  assert.equal(served(list('first')).sortingSalt, 'digits.canary');
  assert.equal(callersOf(list('first'), 'v2').size + callersOf(list('first'), 'v3').size, USERS);
});

test('a list of one has the salt of a list, so that a second rollout may join it', () => {
  const list = served(digits('rollout: [{ id: first, candidate: v2, unit: header u, steps: [5%] }]'));
  assert.equal(list.sortingSalt, 'digits.canary');
});

test('a salt that is made of two names may be longer than one that is written', () => {
  const [model, id] = ['m'.repeat(64), 'i'.repeat(64)];
  const text = `  ${model}: { timeout: 1s, versions: { v1: { servers: [s] }, v2: { servers: [s] } }, baseline: v1, rollout: { id: ${id}, candidate: v2, unit: header u, steps: [50%] } }\n`;
  const { sortingSalt } = served(modelOf(text, model));
  assert.equal(sortingSalt, `${model}.canary.${id}`);
  assert.doesNotMatch(sortingSalt, /:/);
});

test('a model whose salt is replaced decides as if the policy had named that salt', () => {
  const replaced = withSalt(served(single('first', '30%')), 'spring');
  const written = served(single('first', '30%', ', salt: spring'));
  assert.deepEqual(callersOf(replaced), callersOf(written));
  assert.deepEqual(replaced, written);
  assert.equal(replaced.rollout, replaced.rollouts[0]);
});

test('a model that has the salt already is left as it is', () => {
  const model = served(single('first'));
  assert.equal(withSalt(model, model.sortingSalt), model);
});

test('raising a share moves no caller back, whatever the id, the salt and the shares', () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);
  const share = fc.integer({ min: 0, max: 1_000_000 });
  fc.assert(
    fc.property(name, fc.option(name), share, share, (id, salt, a, b) => {
      const more = salt === null ? '' : `, salt: "${salt}"`;
      const model = (slots: number) => single(`"${id}"`, `${slots / 10_000}%`, more);
      const [before, after] = [
        callersOf(model(Math.min(a, b)), 'v2', 500),
        callersOf(model(Math.max(a, b)), 'v2', 500),
      ];
      for (const user of before) assert.ok(after.has(user), `user-${user} moved back`);
    }),
    { numRuns: 100 },
  );
});

/** The users whom a version answers. */
function callersOf(model: Model, version = 'v2', users = USERS): Set<number> {
  const all = Array.from({ length: users }, (_, i) => i);
  return new Set(all.filter((i) => versionIn(decide(model, request({ u: `user-${i}` }), 0)) === version));
}

function served(model: Model): ServedModel {
  assert.ok(model.kind === 'served');
  return model;
}
