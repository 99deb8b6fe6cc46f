// A Redis that is there and refuses, seen from outside a gateway: status, metrics, log, and what goes on when it is mended.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { redisKeys } from '../../gateway/store/redis/keys.ts';
import { rightsOf } from '../../gateway/store/redis/purposes.ts';
import { sluice } from '../gateway/cli/sluice.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { needs } from '../support/programs.ts';
import { type RedisServer, redisServer } from '../support/redis.ts';
import { redisCluster } from '../support/redis-cluster.ts';
import { until } from '../support/until.ts';

const REDIS = needs('redis-server');
const RIGHTS = rightsOf(redisKeys('sluice'));

function policyOf(url: string): string {
  return `apiVersion: sluice/v1
fleet: { s: { url: "${url}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s] }, v2: { servers: [s] } }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: random, steps: [50% for 1h, 60%], rollback: {} }
`;
}

async function grant(server: RedisServer, rights: string): Promise<string> {
  await server.client().call('ACL', 'SETUSER', 'sluice', 'on', '>secret', ...rights.split(' '));
  return server.url.replace('redis://', 'redis://sluice:secret@');
}

function linesWith(log: string, text: string): readonly string[] {
  return log.split('\n').filter((line) => line.includes(text));
}

test(
  'a user without INFO is reported in the log with the right that is missing, and nothing else is printed',
  REDIS,
  async (t) => {
    const server = await redisServer(t);
    const model = await fakeServer(t, answering({}));
    const url = await grant(server, `resetkeys resetchannels -@all ${RIGHTS} -info`);
    const gateway = await gatewayProcess(t, policyOf(model.url), [], { REDIS_URL: url });
    await until(() => gateway.log().includes('NOPERM'), 'the report');
    await sleep(500);
    const lines = `${gateway.log()}${gateway.told()}`.split('\n').filter((line) => line !== '');
    const strange = lines.filter((line) => !line.startsWith('{') && !/^gateway listening|^sluice/i.test(line));
    assert.deepEqual(strange, []);
    const refusals = lines.filter((line) => line.includes('NOPERM'));
    assert.deepEqual(
      refusals.filter((line) => !/grant it with ACL SETUSER: .*\+info/.test(line)),
      [],
    );
  },
);

test('a password that Redis does not ask for is reported by the log alone', REDIS, async (t) => {
  const server = await redisServer(t);
  const model = await fakeServer(t, answering({}));
  const url = server.url.replace('redis://', 'redis://:secret@');
  const gateway = await gatewayProcess(t, policyOf(model.url), [], { REDIS_URL: url });
  await until(() => /does not require a password/.test(gateway.log()), 'the report');
  assert.doesNotMatch(gateway.told(), /does not require a password/);
  assert.equal(linesWith(gateway.log(), 'does not require a password').length, 1);
  for (const line of linesWith(gateway.log(), 'does not require a password')) assert.match(line, /^\{"level":"error"/);
});

async function seen({ adminUrl }: { readonly adminUrl: string }) {
  type Status = {
    store: { up: boolean; troubles: string[] };
    models: { m: { rollouts: { standing: { phase: string } }[] } };
  };
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as Status;
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  const metric = (pattern: RegExp) => Number(pattern.exec(metrics)?.[1]);
  return {
    ...status.store,
    phase: status.models.m.rollouts[0]?.standing.phase,
    upMetric: metric(/^sluice_store_up\{kind="redis"\} (\d)/m),
    refused: metric(/^sluice_store_failures_total\{operation="rollouts_read",kind="permission"\} (\d+)/m),
  };
}

test(
  'rights that miss the keys of Sluice are shown everywhere and logged once, and when granted all goes on',
  REDIS,
  async (t) => {
    const server = await redisServer(t);
    const model = await fakeServer(t, answering({ outputs: [] }));
    const url = await grant(server, 'resetkeys ~app:* resetchannels +@all');
    const gateway = await gatewayProcess(t, policyOf(model.url), ['--log-level', 'info'], { REDIS_URL: url });
    await until(async () => (await seen(gateway)).refused >= 5, 'five refusals');
    const { up, upMetric, troubles, phase } = await seen(gateway);
    assert.deepEqual([up, upMetric, phase], [false, 0, 'pending']);
    assert.ok(
      troubles.some((text) =>
        /does not let Sluice read rollout states \(NOPERM .*grant it with ACL SETUSER: ~\{sluice\}:\* /.test(text),
      ),
    );
    const { stdout } = await sluice(['status', '--admin', gateway.adminUrl]);
    assert.match(stdout, /^! the store: Redis does not let Sluice read rollout states .*NOPERM/m);
    assert.match(stdout, /^! until the store works nothing advances; rollbacks go on/m);
    const { stderr } = await sluice(['comparisons', '--admin', gateway.adminUrl]);
    assert.match(stderr, /read comparisons .*NOPERM.*grant it with ACL SETUSER: ~\{sluice\}/);
    const lines = linesWith(gateway.log(), 'NOPERM');
    const causes = lines.map((line) => /\((.*?)\); grant/.exec(line)?.[1]);
    assert.ok(lines.length > 0 && new Set(causes).size === lines.length, lines.join('\n'));
    await grant(server, RIGHTS);
    await until(async () => (await seen(gateway)).phase === 'step 1', 'the rollout to begin', 20_000);
    await until(async () => (await seen(gateway)).upMetric === 1, 'the store to work', 20_000);
    assert.match(gateway.log(), /the store works again/);
  },
);

test('rights that are revoked while a gateway runs are seen before anything needs them', REDIS, async (t) => {
  const server = await redisServer(t);
  const model = await fakeServer(t, answering({ outputs: [] }));
  const gateway = await gatewayProcess(t, policyOf(model.url), [], { REDIS_URL: await grant(server, RIGHTS) });
  await until(async () => (await seen(gateway)).phase === 'step 1', 'the first step');
  await until(async () => (await seen(gateway)).upMetric === 1, 'a working store');
  await grant(server, '-sadd -publish');
  await until(async () => (await seen(gateway)).upMetric === 0, 'the metric', 20_000);
  assert.match(gateway.log(), /NOPERM for publish, sadd/);
  await sleep(3000);
  assert.equal(linesWith(gateway.log(), 'NOPERM for').length, 1, 'once');
});

test('gateways that each know one other node of a Cluster agree on a rollout', REDIS, async (t) => {
  const servers = await redisCluster(t);
  const model = await fakeServer(t, answering({ outputs: [] }));
  const gateways = await Promise.all(
    servers.map(({ url }) => gatewayProcess(t, policyOf(model.url), [], { REDIS_URL: url })),
  );
  for (const each of gateways) await until(async () => (await seen(each)).phase === 'step 1', 'the first step');
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"reason":"a test"}' };
  assert.equal((await fetch(`${gateways[0]?.adminUrl}/api/models/m/rollout/rollback`, init)).status, 200);
  for (const each of gateways)
    await until(async () => (await seen(each)).phase === 'rolled back', 'the rollback', 2000);
  for (const each of gateways) assert.deepEqual([(await seen(each)).upMetric, each.log()], [1, '']);
});
