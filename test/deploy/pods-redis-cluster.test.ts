// The overlay redis-cluster as plain processes (pods.test.ts says how).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAllWell, callsTo, imagesOf, inNamespaces, live, things } from '../support/pods/live.ts';
import { planOf } from '../support/pods/plan.ts';

test(
  'with six nodes of a Redis Cluster, which a job joins: every pod starts as it is rendered, serves and ends',
  inNamespaces,
  async (t) => {
    const plan = planOf(things('overlays/redis-cluster'), imagesOf(t));
    assert.equal(plan.pods.length, 12);
    const life = await live(t, { plan, calls: callsTo(['digits'], 3), commands: [] });
    assertAllWell(life, 3);
    assert.deepEqual(
      life.pods.filter(({ isDone }) => isDone).map(({ name }) => name),
      ['redis-create-0'],
    );
  },
);
