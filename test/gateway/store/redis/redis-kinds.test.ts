// The same store over TLS, in a Cluster, and behind keys that others may read.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { redisAddress } from '../../../../gateway/store/redis/address.ts';
import { reconnectPause } from '../../../../gateway/store/redis/clients.ts';
import { redisKeys } from '../../../../gateway/store/redis/keys.ts';
import { folderOf } from '../../../support/folder.ts';
import { needs } from '../../../support/programs.ts';
import { redisServer } from '../../../support/redis.ts';
import { redisCluster } from '../../../support/redis-cluster.ts';
import { until } from '../../../support/until.ts';
import { batchOf, comparison, idsOf, written } from '../made.ts';
import { replica } from '../shared.ts';

test(
  'TLS with a CA of one’s own works, and without that CA nothing is trusted',
  needs('redis-server', 'openssl'),
  async (t) => {
    const folder = folderOf(t);
    const [cert, key] = certificate(folder);
    const server = await redisServer(t, {
      args: [
        '--tls-port',
        '{port}',
        '--port',
        '0',
        '--tls-cert-file',
        cert,
        '--tls-key-file',
        key,
        '--tls-auth-clients',
        'no',
      ],
      client: { tls: { ca: readFileSync(cert) } },
      scheme: 'rediss',
    });
    const { store } = await replica(t, server.url, { ca: cert });
    store.comparisons.append(batchOf([comparison('secret')]));
    await written(store, 1);
    assert.deepEqual(await idsOf(store), ['secret']);
    const { store: trusting } = await replica(t, server.url);
    await until(() => /self-signed certificate/.test(trusting.health().reason ?? ''), 'the reason');
  },
);

test('a Cluster of three takes everything on one node, and any node leads there', needs('redis-server'), async (t) => {
  const servers = await redisCluster(t);
  const { store } = await replica(t, servers.map(({ url }) => url).join(','));
  store.comparisons.append(batchOf([comparison('a'), comparison('b')], [{ id: 'a', text: '{}', ttlMs: 60_000 }]));
  store.experiments.expose('exp', 'a', 'ada');
  const second = Math.floor(store.now() / 1000);
  store.outcomes.put('digits', second, { v1: { ok: 2 } });
  await store.audit.append({ id: 'x', at: 1 });
  await written(store, 3);
  assert.deepEqual(await idsOf(store), ['b', 'a']);
  assert.equal(await store.comparisons.kept('a'), '{}');
  assert.equal((await store.rollouts.advance({ id: 'r', epoch: 1 }, 0)).kind, 'written');
  assert.deepEqual(await store.rollouts.rollBack('bad'), { shared: true });
  await until(async () => (await store.outcomes.read('digits', second, second + 1)).length === 1, 'counts');
  const sizes = await Promise.all(servers.map((server) => server.client().dbsize()));
  assert.equal(sizes.filter((size) => size > 0).length, 1);
  const { store: other } = await replica(
    t,
    servers
      .toReversed()
      .map(({ url }) => url)
      .join(','),
  );
  assert.ok((await other.rollouts.refresh()).rolledBack.has('bad'));
});

test('keys carry one hash tag, whatever a model is called', () => {
  const keys = redisKeys('team-a:sluice');
  for (const name of ['}{x}', '{other}', 'a:b', '*', '__proto__']) {
    const made = [keys.window(name, 1), keys.units(name), keys.arms(name), keys.kept(name)];
    made.push(keys.sums('hour', 1, { model: name, shadow: name, baseline: name, candidate: name }));
    for (const key of made) assert.match(key, /^\{team-a:sluice\}:[a-z]+:[^{}*]*$/);
  }
  for (const prefix of ['', 'a b', '{x}', 'x'.repeat(65), 'a*']) assert.throws(() => redisKeys(prefix), /prefix/);
});

test('an address is read, and one that is none is refused without showing the password', () => {
  assert.deepEqual(redisAddress('redis://[::1]/3', undefined), {
    nodes: [{ host: '::1', port: 6379 }],
    kind: 'server',
    options: { db: 3 },
  });
  const cluster = redisAddress('rediss://u:p%40ss@a:1, rediss://b:2', undefined);
  assert.deepEqual(cluster.nodes, [
    { host: 'a', port: 1 },
    { host: 'b', port: 2 },
  ]);
  assert.equal(cluster.kind, 'cluster');
  assert.deepEqual(cluster.options, { username: 'u', password: 'p@ss', tls: {} });
  for (const bad of [
    '',
    'localhost:6379',
    'http://:hunter2@x',
    'redis://:hunter2@',
    'redis://:hunter2@x/db',
    'redis://:hunter2@a/1,redis://b',
  ])
    assert.throws(() => redisAddress(bad, undefined), /^Error: REDIS_URL must be (?!.*hunter2)/);
  assert.throws(() => redisAddress('rediss://x', '/nowhere/ca.pem'), /CA file .* cannot be read/);
});

test('pauses between tries to connect double up to 5 s, and are spread', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 10, 1000].map((tries) => reconnectPause(tries, 0)),
    [50, 100, 200, 400, 5000, 5000],
  );
  assert.equal(reconnectPause(0, 0.5), 175);
});

function certificate(folder: string): [cert: string, key: string] {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  execFileSync('openssl', [...request, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return [cert, key];
}
