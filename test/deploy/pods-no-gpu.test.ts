// A GPU pod of overlays/gpu as a plain process where there is no GPU (pods.test.ts says how).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { imagesOf, inNamespaces, live, things } from '../support/pods/live.ts';
import { planOf } from '../support/pods/plan.ts';

test('a GPU model server on a node without one ends with the provider in its last line', inNamespaces, async (t) => {
  const plan = planOf(things('overlays/gpu'), imagesOf(t));
  const pods = plan.pods.filter(({ name }) => name.startsWith('model-server-gpu'));
  const {
    pods: [pod],
  } = await live(t, { plan: { ...plan, pods }, calls: [], commands: [] });
  assert.deepEqual([pod?.becameReady, pod?.crashes, pod?.end.code], [false, 1, 1]);
  assert.match(pod?.output ?? '', /^sluice: .*cuda/m);
});
