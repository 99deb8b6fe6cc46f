// The overlay cpu as plain processes (pods.test.ts says how).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAllWell, callsTo, imagesOf, inNamespaces, live, things } from '../support/pods/live.ts';
import { planOf } from '../support/pods/plan.ts';

test(
  'two gateways, three model servers and Redis: every pod starts as it is rendered, serves and ends',
  inNamespaces,
  async (t) => {
    const plan = planOf(things('overlays/cpu'), imagesOf(t));
    assert.equal(plan.pods.length, 6);
    assertAllWell(await live(t, { plan, calls: callsTo(['digits'], 3), commands: [] }), 3);
  },
);
