// The overlay gpu as plain processes (pods.test.ts says how). There is no GPU here: what wants one is seen to say so.
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

test('a GPU model server on a node without one ends with the provider in its last line', inNamespaces, async (t) => {
  const plan = planOf(things('overlays/gpu'), imagesOf(t));
  const pods = plan.pods.filter(({ name }) => name.startsWith('model-server-gpu'));
  const {
    pods: [pod],
  } = await live(t, { plan: { ...plan, pods }, calls: [], commands: [] });
  assert.deepEqual([pod?.becameReady, pod?.crashes, pod?.end.code], [false, 1, 1]);
  assert.match(pod?.output ?? '', /^sluice: .*cuda/m);
});
