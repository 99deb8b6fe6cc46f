// Where Redis is: a node of a Cluster by its own address, nodes whose certificates are for names, a primary that sentinels know.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { redisAddress } from '../../../../gateway/store/redis/address.ts';
import { redisKeys } from '../../../../gateway/store/redis/keys.ts';
import { rightsOf } from '../../../../gateway/store/redis/purposes.ts';
import type { Store } from '../../../../gateway/store/store.ts';
import { authority } from '../../../support/certificates.ts';
import { folderOf } from '../../../support/folder.ts';
import { freePorts } from '../../../support/free-ports.ts';
import { needs } from '../../../support/programs.ts';
import { overTls, type RedisServer, redisServer } from '../../../support/redis.ts';
import { redisCluster } from '../../../support/redis-cluster.ts';
import { undo } from '../../../support/undo.ts';
import { until } from '../../../support/until.ts';
import { batchOf, comparison, idsOf, written } from '../made.ts';
import { replica } from '../shared.ts';

const REDIS = needs('redis-server');
const TLS = needs('redis-server', 'openssl');

/** Writes and reads by every connection. */
async function works(store: Store, id = 'r'): Promise<void> {
  await until(() => store.health().up, `a store that works: ${store.health().reason}`);
  store.comparisons.append(batchOf([comparison(id)]));
  await written(store, 1);
  assert.deepEqual(await idsOf(store), [id]);
  assert.equal((await store.rollouts.advance({ id, epoch: 1 }, 0)).kind, 'written');
  assert.deepEqual(await store.rollouts.rollBack(`bad-${id}`), { shared: true });
}

test('the address of any one node finds its Cluster, whichever node has the keys', REDIS, async (t) => {
  const servers = await redisCluster(t);
  const stores = await Promise.all(servers.map(({ url }) => replica(t, url)));
  const hints = stores.map(() => 0);
  for (const [i, { store }] of stores.entries())
    store.rollouts.onHint(() => {
      hints[i] = (hints[i] ?? 0) + 1;
    });
  const [first] = stores;
  assert.ok(first !== undefined);
  await works(first.store);
  for (const { store, troubles } of stores) {
    await until(() => store.health().up, 'every gateway to work');
    assert.ok((await store.rollouts.refresh()).rolledBack.has('bad-r'));
    assert.deepEqual(troubles, []);
  }
  await until(() => hints.every((count) => count > 0), 'a hint for every gateway');
});

test('a database that Redis does not have is no store, and nothing is written to another one', REDIS, async (t) => {
  const { url, client } = await redisServer(t);
  const { store } = await replica(t, `${url}/99`);
  await until(() => /database 99.*check the \/99 in REDIS_URL/.test(store.health().reason ?? ''), 'the reason');
  assert.equal(store.health().up, false);
  assert.deepEqual(await store.rollouts.rollBack('bad'), { shared: false });
  assert.equal(await client().dbsize(), 0);
  const { store: third } = await replica(t, `${url}/3`);
  await works(third);
});

test(
  'a user without the right to INFO finds the Cluster by the first answer, and by the documented rule at once',
  REDIS,
  async (t) => {
    const servers = await redisCluster(t);
    const rule = rightsOf(redisKeys('sluice'));
    for (const server of servers) {
      await server
        .client()
        .call('ACL', 'SETUSER', 'blind', 'on', '>p', ...rule.replace('+info', '').split(' ').filter(Boolean));
      await server.client().call('ACL', 'SETUSER', 'sluice', 'on', '>p', ...rule.split(' '));
    }
    for (const user of ['sluice', 'blind'])
      for (const [i, { url }] of servers.entries()) {
        const { store } = await replica(t, url.replace('redis://', `redis://${user}:p@`));
        await until(async () => {
          await store.rollouts.refresh().catch(() => {});
          return store.rollouts.known().wasRead;
        }, `rollouts for ${user} by node ${i}`);
        assert.equal((await store.rollouts.advance({ id: `${user}${i}`, epoch: 1 }, 0)).kind, 'written');
      }
  },
);

test('a Cluster that is named with a database is refused with what to do', REDIS, async (t) => {
  const [server] = await redisCluster(t);
  const { store } = await replica(t, `${server?.url}/0`);
  await works(store);
  const { store: wrong } = await replica(t, `${server?.url}/3`);
  await until(() => /database/.test(wrong.health().reason ?? ''), 'the reason');
});

test(
  'a Cluster over TLS whose certificates are for a name is dialled by its addresses and trusted by that name',
  TLS,
  async (t) => {
    const { ca, issue } = authority(folderOf(t));
    const servers = await redisCluster(t, overTls(ca, issue('DNS:localhost')));
    const named = servers.map(({ url }) => url.replace('127.0.0.1', 'localhost'));
    const { store: byOne } = await replica(t, named[0] ?? '', { ca });
    await works(byOne, 'one');
    const { store: byAll } = await replica(t, named.join(','), { ca });
    await until(() => byAll.health().up, `all nodes to do: ${byAll.health().reason}`);
    assert.ok((await byAll.rollouts.refresh()).rolledBack.has('bad-one'));
  },
);

for (const [what, clustered] of [
  ['a server', false],
  ['a Cluster', true],
] as const) {
  test(`the error of a certificate is the one that is shown: ${what}`, TLS, async (t) => {
    const { ca, issue } = authority(folderOf(t));
    const certificate = overTls(ca, issue('DNS:other.example'));
    const servers = clustered ? await redisCluster(t, certificate) : [await redisServer(t, certificate)];
    const urls = servers.map(({ url }) => url).join(',');
    const { store, troubles } = await replica(t, urls, { ca });
    const shown = () => store.health().reason ?? '';
    await until(() => /altnames/.test(shown()), `the names: ${shown()}`);
    await assert.rejects(store.rollouts.refresh(), /altnames.*--redis-ca/);
    assert.ok(store.health().failures.some(({ kind }) => kind === 'certificate'));
    assert.ok(troubles.some(({ message }) => /altnames/.test(message)));
    const { store: trusting } = await replica(t, urls);
    await until(
      () => /verify|self-signed/.test(trusting.health().reason ?? ''),
      `the issuer: ${trusting.health().reason}`,
    );
  });
}

test('a plain address of a server that speaks TLS is no Redis, and the other way round', TLS, async (t) => {
  const { ca, issue } = authority(folderOf(t));
  const secure = await redisServer(t, overTls(ca, issue('IP:127.0.0.1')));
  const plain = await redisServer(t);
  const { store: toSecure } = await replica(t, secure.url.replace('rediss', 'redis'));
  const { store: toPlain } = await replica(t, plain.url.replace('redis', 'rediss'), { ca });
  await until(() => /ECONNRESET|closed/.test(toSecure.health().reason ?? ''), 'a reason');
  await until(() => /ETIMEDOUT|TLS/.test(toPlain.health().reason ?? ''), 'a reason');
});

/** Sentinels that watch a primary; they end with the test. Returns their ports. */
async function sentinels(
  t: TestContext,
  primary: RedisServer,
  args: readonly string[] = [],
): Promise<readonly number[]> {
  const folder = folderOf(t);
  const ports = await freePorts(3);
  for (const port of ports) {
    const file = join(folder, `sentinel-${port}.conf`);
    const watch = `monitor main 127.0.0.1 ${primary.port} 2\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000`;
    writeFileSync(file, `port ${port}\nbind 127.0.0.1\ndir ${folder}\nsentinel ${watch}\n${args.join('\n')}\n`);
    const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' });
    undo(t, async () => {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    });
  }
  return ports;
}

test('sentinels are asked for the primary, and after a failover for the next', REDIS, async (t) => {
  const primary = await redisServer(t);
  const second = await redisServer(t, { args: ['--replicaof', '127.0.0.1', String(primary.port)] });
  const ports = await sentinels(t, primary);
  await until(
    async () => /role:slave[\s\S]*master_link_status:up/.test(await second.client().info('replication')),
    'a replica',
  );
  const url = `redis+sentinel://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/main`;
  const { store } = await replica(t, url);
  await works(store);
  assert.equal(await primary.client().sismember('{sluice}:rolled-back', 'bad-r'), 1);
  await primary.kill();
  await until(async () => /role:master/.test(await second.client().info('replication')), 'a failover', 30_000);
  const isThere = () =>
    store.rollouts.refresh().then(
      () => store.health().up,
      () => false,
    );
  await until(isThere, 'the new primary', 30_000);
  assert.deepEqual(await store.rollouts.rollBack('after'), { shared: true });
  assert.equal(await second.client().sismember('{sluice}:rolled-back', 'after'), 1);
});

test('sentinels that know no primary of that name are reported', REDIS, async (t) => {
  const primary = await redisServer(t);
  const [port] = await sentinels(t, primary);
  const { store } = await replica(t, `redis+sentinel://127.0.0.1:${port}/other`);
  await until(() => /sentinel/.test(store.health().reason ?? ''), `the reason: ${store.health().reason}`);
});

test('addresses of sentinels are read: several hosts, names, databases and passwords of their own', () => {
  const address = redisAddress('redis+sentinel://u:p%40@a,b:1,[::1]:2/main/3?sentinel_password=s%26', undefined);
  assert.deepEqual(address, {
    kind: 'sentinel',
    nodes: [
      { host: 'a', port: 26379 },
      { host: 'b', port: 1 },
      { host: '::1', port: 2 },
    ],
    options: { username: 'u', password: 'p@', db: 3 },
    master: 'main',
    sentinel: { sentinelPassword: 's&' },
  });
  const secure = redisAddress('rediss+sentinel://a/main', undefined);
  assert.deepEqual(
    [secure.options, secure.sentinel],
    [
      { db: 0, tls: {} },
      { sentinelTLS: {}, enableTLSForSentinelMode: true },
    ],
  );
  for (const bad of [
    'redis+sentinel://a',
    'redis+sentinel://a/',
    'redis+sentinel://a/main/x',
    'redis+sentinel://a/main/1/2',
  ])
    assert.throws(() => redisAddress(bad, undefined), /^Error: REDIS_URL must be/, bad);
});
