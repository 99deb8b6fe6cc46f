// Redis away, frozen, full, refusing or forgetful. In every case: nothing throws, memory is bounded, every comparison is
// counted, none is there twice, and it all goes on when Redis is back.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditEntry, Store } from '../../../../gateway/store/store.ts';
import { faultProxy } from '../../../support/fault-proxy.ts';
import { freePorts } from '../../../support/free-ports.ts';
import { needs } from '../../../support/programs.ts';
import { redisServer } from '../../../support/redis.ts';
import { fill, needsRoot, smallDisk } from '../../../support/small-disk.ts';
import { until } from '../../../support/until.ts';
import { freeze } from '../frozen.ts';
import { addsUp, batchOf, comparison, written } from '../made.ts';
import { idsInStream, replica, telling } from '../shared.ts';

const REDIS = needs('redis-server');

test('a gateway starts without Redis, and writes what waited as soon as there is one', REDIS, async (t) => {
  const server = await redisServer(t);
  await server.kill();
  const before = performance.now();
  const { store } = await replica(t, server.url);
  t.diagnostic(`opened in ${Math.round(performance.now() - before)} ms`);
  assert.ok(performance.now() - before < 5000);
  assert.deepEqual([store.health().up, store.rollouts.known().wasRead], [false, false]);
  store.comparisons.append(batchOf([comparison('early')]));
  await assert.rejects(store.comparisons.page({ limit: 1 }), /cannot be read now/);
  assert.equal((await store.rollouts.advance({ id: 'r', epoch: 1 }, 0)).kind, 'unavailable');
  await server.start();
  await written(store, 1);
  assert.deepEqual(await idsInStream(server.client()), ['early']);
  await until(() => store.health().up, 'every connection to be there');
  assert.ok(addsUp(store));
});

test('killed and back empty: only what Redis had is lost, and states are told to it again', REDIS, async (t) => {
  const server = await redisServer(t);
  const { store, troubles } = await replica(t, server.url);
  assert.equal((await store.rollouts.advance({ id: 'going', epoch: 3 }, 0)).kind, 'written');
  await store.rollouts.rollBack('bad');
  for (let i = 0; i < 50; i++) store.experiments.expose('exp', 'a', `user-${i}`);
  const load = telling(t, store);
  await until(() => store.health().counters.written > 20, 'writes');
  await server.kill();
  const writtenBefore = store.health().counters.written;
  await store.rollouts.rollBack('bad while away');
  await sleep(300);
  assert.ok(addsUp(store));
  await server.start();
  await until(() => store.health().counters.written > writtenBefore + 50, 'writes after the restart');
  const told = load.stop();
  await until(() => store.health().counters.waiting === 0, 'an empty queue');
  assert.ok(addsUp(store));
  const { offered, dropped, unknown, written } = store.health().counters;
  assert.deepEqual([offered, dropped, unknown, written], [told, 0, 0, told]);
  const client = server.client();
  const ids = await idsInStream(client);
  assert.equal(new Set(ids).size, ids.length);
  // All but what the old Redis had taken; the batch on its way when it died may be in neither.
  assert.ok(ids.length >= told - writtenBefore - 100 && ids.length <= told, `${ids.length} of ${told}`);
  await until(async () => (await client.smembers('{sluice}:rolled-back')).length === 2, 'both rollbacks');
  assert.deepEqual(await client.hget('{sluice}:rollouts', 'going'), '{"id":"going","epoch":3}');
  await until(async () => (await store.experiments.read('exp')).units.get('a') === 50, 'the units');
  assert.equal(troubles.filter(({ message }) => /came back without what it held/.test(message)).length, 1);
});

test('frozen: no call waits, the queue keeps its bounds, and nothing is there twice', REDIS, (t) => freeze(t, 3000));

test('full: what it refuses waits within bounds and is written when there is room', REDIS, async (t) => {
  const server = await redisServer(t, { args: ['--maxmemory-policy', 'noeviction'] });
  const { store, troubles } = await replica(t, server.url);
  store.comparisons.append(batchOf([comparison('first')]));
  await written(store, 1);
  const client = server.client();
  await client.config('SET', 'maxmemory', '1');
  store.comparisons.append(batchOf([comparison('refused')]));
  await until(() => /full/.test(store.health().reason ?? ''), 'the reason');
  assert.equal(await client.xlen('{sluice}:comparisons'), 1);
  flood(store, 30);
  assert.ok(store.health().counters.dropped > 0 && addsUp(store));
  assert.equal(troubles.length, 1);
  await client.config('SET', 'maxmemory', '0');
  await until(() => store.health().counters.waiting === 0, 'an empty queue');
  const { written: inRedis, unknown } = store.health().counters;
  assert.deepEqual([await client.xlen('{sluice}:comparisons'), unknown], [inRedis, 0]);
  assert.ok(store.health().up && addsUp(store));
});

const ON_A_SMALL_DISK = { skip: REDIS.skip || needsRoot().skip };

test('out of disk: refused and counted, and it goes on when the disk has room', ON_A_SMALL_DISK, async (t) => {
  const folder = smallDisk(t);
  const args = ['--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0'];
  const server = await redisServer(t, { folder, args });
  const { store } = await replica(t, server.url);
  store.comparisons.append(batchOf([comparison('first')]));
  await written(store, 1);
  const ballast = join(folder, 'ballast');
  fill(ballast);
  const load = telling(t, store, 5);
  await until(() => /its disk/.test(store.health().reason ?? ''), 'the reason');
  t.diagnostic(`${store.health().reason}`);
  assert.ok(addsUp(store));
  rmSync(ballast);
  await until(() => store.health().up, 'room');
  const told = load.stop() + 1;
  await until(() => store.health().counters.waiting === 0, 'an empty queue');
  const ids = await idsInStream(server.client());
  const { written: inRedis, dropped, unknown } = store.health().counters;
  assert.deepEqual([inRedis, dropped, unknown, ids.length, new Set(ids).size], [told, 0, 0, told, told]);
});

test('a wrong password is told plainly and brings no storm of connections', REDIS, async (t) => {
  const server = await redisServer(t, { args: ['--requirepass', 'right'], client: { password: 'right' } });
  const { store } = await replica(t, server.url.replace('redis://', 'redis://:wrong@'));
  store.comparisons.append(batchOf([comparison('a')]));
  const client = server.client();
  const connectionsSoFar = async () =>
    Number(/total_connections_received:(\d+)/.exec(await client.info('stats'))?.[1] ?? 0);
  const before = await connectionsSoFar();
  await sleep(3000);
  const tries = (await connectionsSoFar()) - before;
  t.diagnostic(`${tries} connections of three clients in 3 s: ${store.health().reason}`);
  assert.ok(tries <= 24);
  assert.match(store.health().reason ?? '', /refuses these credentials/);
  assert.doesNotMatch(store.health().reason ?? '', /wrong@|right/);
  assert.ok(addsUp(store));
});

test('a password works, and one that is changed at run time is noticed', REDIS, async (t) => {
  const server = await redisServer(t, { args: ['--requirepass', 'p@ss:w/rd'], client: { password: 'p@ss:w/rd' } });
  const { store } = await replica(t, server.url.replace('redis://', `redis://:${encodeURIComponent('p@ss:w/rd')}@`));
  store.comparisons.append(batchOf([comparison('a')]));
  await written(store, 1);
  const client = server.client();
  await client.config('SET', 'requirepass', 'other');
  await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await until(() => /credentials/.test(store.health().reason ?? ''), 'the reason');
  await client.config('SET', 'requirepass', 'p@ss:w/rd');
  store.comparisons.append(batchOf([comparison('b')]));
  await written(store, 2);
});

test('an old dump brings back no rollout and no epoch', REDIS, async (t) => {
  const server = await redisServer(t);
  const { store, troubles } = await replica(t, server.url);
  await store.rollouts.advance({ id: 'r', epoch: 1, step: 1 }, 0);
  const client = server.client();
  await client.save();
  await store.rollouts.advance({ id: 'r', epoch: 2, step: 2 }, 1);
  await store.rollouts.rollBack('bad');
  await server.kill();
  await server.start();
  await until(async () => (await client.sismember('{sluice}:rolled-back', 'bad')) === 1, 'the rollback');
  await until(async () => JSON.parse((await client.hget('{sluice}:rollouts', 'r')) ?? '{}').epoch === 2, 'the epoch');
  assert.deepEqual((await store.rollouts.refresh()).documents.get('r'), { id: 'r', epoch: 2, step: 2 });
  assert.ok(troubles.some(({ message }) => /older state of rollout r/.test(message)));
});

test('audit entries that Redis has lost are shown from the disk, each once, the newest first', REDIS, async (t) => {
  const server = await redisServer(t);
  const [{ store }, { store: other }] = [await replica(t, server.url), await replica(t, server.url)];
  const shown = async (by: Store, limit = 100) => (await by.audit.read(limit)).map(({ id }) => id).join();
  const happens = async (at: Store, entry: AuditEntry, seenBy: Store) => {
    await at.audit.append(entry);
    await until(async () => (await shown(seenBy)).includes(entry.id), 'the other gateway shows it');
  };
  await happens(store, { id: 'a', at: 10 }, other);
  await happens(other, { id: 'b', at: 20 }, store);
  await happens(store, { id: 'c', at: 30 }, other);
  assert.deepEqual([await shown(store), await shown(other)], ['c,b,a', 'c,b,a']);

  await server.client().flushall();
  assert.deepEqual([await shown(store), await shown(other)], ['c,a', 'b']);
  await happens(other, { id: 'd', at: 25 }, store);
  await happens(other, { id: 'e', at: 40 }, store);
  assert.deepEqual([await shown(store), await shown(other)], ['e,c,d,a', 'e,d,b']);
  assert.equal(await shown(store, 2), 'e,c');

  await server.kill();
  await server.start();
  await until(() => store.health().up, 'Redis is back, and empty');
  assert.equal(await shown(store), 'c,a');
});

test('a key of another application stops the start, and is named', REDIS, async (t) => {
  const server = await redisServer(t);
  await server.client().set('{sluice}:comparisons', 'theirs');
  await assert.rejects(
    replica(t, server.url),
    /\{sluice\}:comparisons holds a string of another application.*--redis-prefix/,
  );
  const { store } = await replica(t, server.url, { prefix: 'other' });
  store.comparisons.append(batchOf([comparison('a')]));
  await written(store, 1);
});

test(
  'a key that another application takes at run time costs comparisons, which are counted, and is told',
  REDIS,
  async (t) => {
    const server = await redisServer(t);
    const { store, troubles } = await replica(t, server.url);
    const client = server.client();
    await client.set('{sluice}:comparisons', 'theirs');
    await store.audit.append({ id: 'x', at: 1 });
    store.comparisons.append(batchOf([comparison('a'), comparison('b')]));
    await until(() => store.health().counters.waiting === 0, 'an empty queue');
    const { written: taken, dropped } = store.health().counters;
    assert.deepEqual([taken, dropped, store.health().up, troubles.length], [1, 2, false, 1]);
    assert.match(store.health().reason ?? '', /WRONGTYPE/);
    await client.del('{sluice}:comparisons');
    store.comparisons.append(batchOf([comparison('c')]));
    await written(store, 2);
    assert.ok(store.health().up && addsUp(store));
  },
);

test('a connection of 20 KB a second gets small batches, each applied once', REDIS, async (t) => {
  const server = await redisServer(t);
  const proxy = await faultProxy(t, `http://127.0.0.1:${server.port}`);
  const { store } = await replica(t, proxy.url.replace('http', 'redis'));
  proxy.set({ toServer: { bytesPerSecond: 20_000 } });
  store.comparisons.append(batchOf(Array.from({ length: 60 }, (_, i) => comparison(`slow-${i}`))));
  await written(store, 60);
  const ids = await idsInStream(server.client());
  assert.deepEqual([ids.length, new Set(ids).size], [60, 60]);
  assert.ok(addsUp(store));
});

test(
  'batches and answers that never arrive leave nothing unknown, nothing lost and nothing doubled',
  REDIS,
  async (t) => {
    const server = await redisServer(t);
    const proxy = await faultProxy(t, `http://127.0.0.1:${server.port}`);
    const { store } = await replica(t, proxy.url.replace('http', 'redis'));
    const load = telling(t, store, 5);
    let burst = 0;
    for (const lost of ['toServer', 'toCaller', 'toServer', 'toServer', 'toCaller'] as const) {
      // Large enough to be split into several batches once the connection has shown that it is slow.
      for (const end = burst + 600; burst < end; burst++)
        store.comparisons.append(batchOf([comparison(`burst-${burst}`)]));
      proxy.set({ [lost]: { blackHole: true } });
      await sleep(900);
      assert.ok(addsUp(store), JSON.stringify(store.health().counters));
      proxy.reset();
      proxy.set({});
      await until(() => store.health().up, 'Redis', 20_000);
    }
    const told = load.stop() + burst;
    await until(() => store.health().counters.waiting === 0, 'an empty queue', 20_000);
    const ids = await idsInStream(server.client());
    const { written, dropped, unknown } = store.health().counters;
    assert.deepEqual([written, dropped, unknown, ids.length, new Set(ids).size], [told, 0, 0, told, told]);
  },
);

test('replicas add up their counts and share a rollback', REDIS, async (t) => {
  const server = await redisServer(t);
  const [a, b] = [(await replica(t, server.url)).store, (await replica(t, server.url)).store];
  const second = Math.floor(a.now() / 1000);
  a.outcomes.put('digits', second, { v2: { ok: 3, model_fault: 1 } });
  b.outcomes.put('digits', second, { v2: { ok: 4 } });
  const read = async () => JSON.parse(JSON.stringify(await a.outcomes.read('digits', second, second + 1)));
  await until(async () => (await read())[0]?.counts.v2.ok === 7, 'both');
  assert.deepEqual(await read(), [{ second, counts: { v2: { ok: 7, model_fault: 1 } } }]);
  assert.deepEqual(await a.rollouts.rollBack('bad'), { shared: true });
  assert.ok((await b.rollouts.refresh()).rolledBack.has('bad'));
  const wins = await Promise.all([a, b].map(({ rollouts }) => rollouts.advance({ id: 'r', epoch: 1 }, 0)));
  assert.equal(wins.filter(({ kind }) => kind === 'written').length, 1);
  const crossed = ['a', 'b'].map((arm, i) => (i === 0 ? a : b).experiments.expose('exp', arm, 'ada'));
  assert.equal(crossed.length, 2);
  await until(async () => (await b.experiments.read('exp')).crossed === 1, 'the unit that saw both arms');
});

test(
  'orders to shadows reach every replica, outlive Redis and a restart, and the latest is right',
  REDIS,
  async (t) => {
    const server = await redisServer(t);
    const [one, other] = [await replica(t, server.url), await replica(t, server.url)];
    assert.deepEqual(await one.store.shadowOrders.order('m/v2', true), { shared: true });
    assert.deepEqual([...(await other.store.shadowOrders.refresh())], ['m/v2']);
    await server.kill();
    assert.deepEqual(await other.store.shadowOrders.order('m/v2', false), { shared: false });
    assert.deepEqual(await other.store.shadowOrders.order('m/v3', true), { shared: false });
    assert.deepEqual([...other.store.shadowOrders.paused()], ['m/v3'], 'in force here all the same');
    await assert.rejects(one.store.shadowOrders.refresh(), /cannot be read now/);
    assert.deepEqual([...one.store.shadowOrders.paused()], ['m/v2'], 'and elsewhere as before');
    await server.start(); // empty
    const agreed = async () => {
      for (const { store } of [other, one]) await store.shadowOrders.refresh().catch(() => {});
      return [one, other].every(({ store }) => String([...store.shadowOrders.paused()]) === 'm/v3');
    };
    await until(agreed, 'both to know', 10_000);
    await one.store.close(200);
    const again = await replica(t, server.url, { folder: one.folder });
    assert.deepEqual([...again.store.shadowOrders.paused()], ['m/v3'], 'known from disk, before anyone was asked');
    await server.client().hset('{sluice}:shadow-orders', 'm/v9', 'no JSON');
    assert.deepEqual([...(await again.store.shadowOrders.refresh())], ['m/v3']);
  },
);

test('closing with Redis away counts what is lost', REDIS, async (t) => {
  const [port = 0] = await freePorts(1);
  const { store } = await replica(t, `redis://127.0.0.1:${port}`);
  flood(store, 2);
  await store.close(200);
  const { offered, dropped, waiting } = store.health().counters;
  assert.deepEqual([offered, dropped, waiting], [2000, 2000, 0]);
});

function flood(store: Store, batches: number): void {
  const batch = batchOf(Array.from({ length: 1000 }, (_, i) => comparison(`flood-${i}`)));
  for (let i = 0; i < batches; i++) store.comparisons.append(batch);
}
