// What other programs, other releases and people write under our keys in Redis: left out and reported, and everything else goes on.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Redis } from 'ioredis';
import { subjectKey } from '../../../../gateway/compare/batch.ts';
import { summarise } from '../../../../gateway/compare/summary.ts';
import { redisKeys } from '../../../../gateway/store/redis/keys.ts';
import type { Store } from '../../../../gateway/store/store.ts';
import { answering, fakeServer } from '../../../support/fake-server.ts';
import { gateway, infer } from '../../../support/gateway.ts';
import { needs } from '../../../support/programs.ts';
import { redisServer } from '../../../support/redis.ts';
import { until } from '../../../support/until.ts';
import { batchOf, comparison, idsOf, NOW, written } from '../made.ts';
import { replica } from '../shared.ts';

const REDIS = needs('redis-server');
const KEYS = redisKeys('sluice');
const SUBJECT = { model: 'digits', shadow: 'v2', baseline: 'v1', candidate: 'v2' };
const MINUTE = Math.floor(NOW / 60_000);
const SECOND = Math.floor(NOW / 1000);

/** JSON and text that is nothing of ours. */
const FOREIGN = [
  'null',
  '[]',
  '{}',
  '[null]',
  '7',
  '"text"',
  '',
  'no JSON',
  '{"id":"x"}',
  '{"__proto__":1}',
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  JSON.stringify({ ...comparison('no-sides'), baseline: null }),
  JSON.stringify({ ...comparison('no-fields'), fields: [null] }),
];

/** Under every key something foreign, beside what is ours. */
async function spoil(client: Redis): Promise<void> {
  for (const text of FOREIGN) {
    await client.xadd(KEYS.comparisons, '*', 'c', text);
    if (!text.includes('"at"')) await client.xadd(KEYS.audit, '*', 'a', text);
    await client.xadd(KEYS.comparisons, '*', 'other', '1', 'fields', '2');
    await client.hset(KEYS.rollouts, `foreign-${text.slice(0, 8)}`, text);
    await client.hset(KEYS.shadowOrders, `m/foreign-${text.slice(0, 8)}`, text);
  }
  const deep = `{"id":"deep","epoch":3,"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
  await client.hset(KEYS.rollouts, 'deep', deep, 'r', 'null');
  await client.hset(KEYS.shadowOrders, 'm/v2', 'no order');
  await client.zadd(KEYS.subjects, 1, '%', 1, 'a', 1, '%E0%A4%A/b/c/d', 1, 'a/b/c/d/e');
  const sums = KEYS.sums('minute', MINUTE, SUBJECT);
  await client.hset(sums, '%', '1', 'kind/%E0%A4%A', '2', 'kind/same', 'many', 'noise/pairs', 'NaN', 'field', '');
  await client.set(KEYS.sums('minute', MINUTE - 1, SUBJECT), 'a text');
  await client.zadd(KEYS.units('exp'), 1, '%', 2, 'a', 3, 'a/b', 4, 'a/-1', 5, 'a/NaN');
  await client.hset(KEYS.arms('exp'), '%', '1', 'a', '2', 'a/requests', 'x', 'a/b/c', '3');
  await client.hset(
    KEYS.window('m', SECOND),
    '%/%/%',
    '1',
    'a',
    '2',
    'r/v1/ok',
    'NaN',
    'r/v1/failed',
    '-4',
    'r/v2/ok',
    '5',
  );
  await client.set(KEYS.window('m', SECOND - 1), 'a text');
  await client.set(KEYS.kept('a'), 'no JSON');
}

async function readsOf(store: Store) {
  const slots = await store.comparisons.sums(SUBJECT, 'minute', NOW - 600_000, NOW + 600_000);
  return {
    ids: await idsOf(store),
    newer: (await store.comparisons.page({ limit: 10, after: '0-0' })).comparisons.length,
    subjects: (await store.comparisons.subjects()).map(subjectKey),
    pairs: slots.map(({ sums }) => summarise(sums).pairs),
    audit: (await store.audit.read(100)).map(({ id }) => id),
    exp: await store.experiments.read('exp'),
    windows: await store.outcomes.read('m', SECOND - 5, SECOND + 1),
  };
}

async function setUp(t: TestContext) {
  const server = await redisServer(t);
  const client = server.client();
  return { server, client };
}

test('values of others are left out of every read, and reported with their keys', REDIS, async (t) => {
  const { server, client } = await setUp(t);
  const { store } = await replica(t, server.url);
  store.comparisons.append(batchOf([comparison('ours')]));
  store.experiments.expose('exp', 'a', 'ada');
  await store.audit.append({ id: 'entry', at: NOW });
  await written(store, 1);
  await until(async () => (await store.audit.read(5)).length === 1, 'the entry');
  await spoil(client);
  const { ids, newer, subjects, pairs, audit, exp, windows } = await readsOf(store);
  assert.deepEqual([ids, newer, subjects, audit], [['ours'], 1, ['digits/v2/v1/v2'], ['entry']]);
  assert.deepEqual(pairs, [1]);
  assert.equal(exp.units.get('a'), 1);
  assert.deepEqual(
    windows.map(({ counts }) => ({ ...counts.v2 })),
    [{ ok: 5 }],
  );
  await store.rollouts.refresh();
  await store.shadowOrders.refresh();
  const places = store.damages.list().map(({ where }) => where.replace('{sluice}:', '').split(':')[0]);
  for (const key of ['comparisons', 'audit', 'subjects', 'sums', 'arms', 'window', 'rollouts', 'shadow-orders'])
    assert.ok(places.includes(key), `${key} in ${places}`);
  assert.equal(store.health().up, true, JSON.stringify(store.health()));
});

test('orders, rollbacks and moves go on beside them, and reach the other gateways', REDIS, async (t) => {
  const { server, client } = await setUp(t);
  await spoil(client);
  const [{ store: one }, { store: two }] = [await replica(t, server.url), await replica(t, server.url)];
  for (const store of [one, two]) await store.rollouts.refresh();
  assert.equal((await one.shadowOrders.order('m/v2', true)).shared, true);
  assert.deepEqual([...(await two.shadowOrders.refresh())], ['m/v2']);
  assert.equal((await one.rollouts.rollBack('bad')).shared, true);
  assert.ok((await two.rollouts.refresh()).rolledBack.has('bad'));
  assert.equal((await one.rollouts.advance({ id: 'new', epoch: 1 }, 0)).kind, 'written');
  const { documents, pending } = await two.rollouts.refresh();
  assert.equal(documents.get('new')?.epoch, 1);
  assert.equal(typeof documents.get('deep')?.damaged, 'string');
  await until(() => two.rollouts.known().pending.disk.size === 0, 'the disk to have all of it');
  assert.equal(pending.store.size, 0);
});

test('a field that holds no number does not keep what is beside it from being written', REDIS, async (t) => {
  const { server, client } = await setUp(t);
  await spoil(client);
  const { store } = await replica(t, server.url);
  store.comparisons.append(batchOf([comparison('ours')]));
  store.comparisons.append(batchOf([comparison('and another')]));
  await written(store, 2);
  await until(async () => (await client.hget(KEYS.sums('minute', MINUTE, SUBJECT), 'pairs')) === '2', 'the sums');
  assert.deepEqual((await idsOf(store)).sort(), ['and another', 'ours']);
});

test(
  'the admin API answers 200 to every read of a store that others wrote into, and names the keys',
  REDIS,
  async (t) => {
    const { server, client } = await setUp(t);
    await spoil(client);
    const { url: model } = await fakeServer(t, answering({ outputs: [] }));
    const running = await gateway(
      t,
      `apiVersion: sluice/v1
fleet: { s: { url: "${model}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }
    baseline: v1
    experiment: { id: exp, unit: header x-user, arms: { v1: 50%, v2: 50% } }
    shadow: [{ version: v2, sample: 100% }]
`,
      { redisUrl: server.url },
    );
    await infer(running.url);
    for (const path of [
      'status',
      'audit',
      'comparisons',
      'comparisons/summary',
      'comparisons/kept?id=a',
      'experiments',
    ])
      assert.equal((await fetch(`${running.adminUrl}/api/${path}`)).status, 200, path);
    const status = (await (await fetch(`${running.adminUrl}/api/status`)).json()) as { damaged: { where: string }[] };
    assert.ok(status.damaged.some(({ where }) => where === KEYS.comparisons));
    assert.match(await (await fetch(`${running.adminUrl}/metrics`)).text(), /^sluice_store_damaged [1-9]/m);
  },
);
