// The overlay gpu as plain processes (pods.test.ts says how).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAllWell, callsTo, changed, imagesOf, inNamespaces, live, things } from '../support/pods/live.ts';
import { planOf } from '../support/pods/plan.ts';

test('with GPU model servers, that use the CPU here: every pod starts, serves and ends', inNamespaces, async (t) => {
  const models = ['digits', 'digits-accurate'];
  const plan = planOf(changed(things('overlays/gpu'), '"--providers","cuda"', '"--providers","cpu"'), imagesOf(t));
  assert.ok(plan.pods.some(({ name }) => name.startsWith('model-server-gpu')));
  assertAllWell(await live(t, { plan, calls: callsTo(models, 4), commands: [] }), 4);
});
