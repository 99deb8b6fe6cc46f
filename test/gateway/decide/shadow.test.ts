import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copiesOf } from '../../../gateway/decide/shadow.ts';
import { parsePolicy } from '../../../gateway/policy/load/load.ts';
import type { ServedModel } from '../../../gateway/policy/policy.ts';

const REQUESTS = 100_000;

function modelWith(shadows: string): ServedModel {
  const text = `apiVersion: sluice/v1
fleet: { s: { url: "http://127.0.0.1:9" } }
models:
  other: { timeout: 1s, versions: { v1: { servers: [s] } }, baseline: v1 }
  m: { timeout: 1s, versions: { v1: { servers: [s] }, v2: { servers: [s] }, v3: { servers: [s] } }, baseline: v1, shadow: ${shadows} }
`;
  const model = parsePolicy(text, 'p').models.get('m');
  assert.ok(model?.kind === 'served');
  return model;
}

test('a shadow gets its share of the requests, of which every hundredth is repeated, and always the same ones', () => {
  const model = modelWith('[{ version: v2, sample: 20% }]');
  const copies = Array.from({ length: REQUESTS }, (_, i) => copiesOf(model, 'v1', `request-${i}`)).flat();
  // Five standard errors of a binomial share.
  assert.ok(Math.abs(copies.length / REQUESTS - 0.2) < 5 * Math.sqrt((0.2 * 0.8) / REQUESTS));
  const repeated = copies.filter(({ isRepeated }) => isRepeated).length;
  assert.ok(Math.abs(repeated / REQUESTS - 0.002) < 5 * Math.sqrt(0.002 / REQUESTS), `${repeated} repeated`);
  assert.deepEqual(
    Array.from({ length: REQUESTS }, (_, i) => copiesOf(model, 'v1', `request-${i}`)).flat().length,
    copies.length,
  );
});

test('several shadows of a model sample independently', () => {
  const model = modelWith(
    '[{ version: v2, sample: 50% }, { version: v3, sample: 50% }, { model: other, sample: 50% }]',
  );
  const all = Array.from({ length: REQUESTS }, (_, i) => copiesOf(model, 'v1', `request-${i}`));
  const both = all.filter((copies) => copies.length === 3).length / REQUESTS;
  assert.ok(Math.abs(both - 0.125) < 5 * Math.sqrt((0.125 * 0.875) / REQUESTS), `${both} went to all three`);
});

test('a version is never its own shadow, and a model without shadows copies nothing', () => {
  const model = modelWith('[{ version: v2, sample: 100% }, { model: other, sample: 100% }]');
  assert.deepEqual(
    copiesOf(model, 'v2', 'r').map(({ shadow }) => shadow.name),
    ['other'],
  );
  assert.equal(copiesOf({ ...model, shadows: [] }, 'v1', 'r').length, 0);
});
