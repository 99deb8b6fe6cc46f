// What the judge does to a running gateway: a bad candidate leaves by itself and stays out, a good one goes on to 100 %.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { Child } from '../../gateway/cli/run/child.ts';
import { LocalSetup } from '../../gateway/cli/run/local-setup.ts';
import { digitsOf } from '../../model-server/samples/digits.ts';
import { readHeldOut } from '../../model-server/samples/held-out.ts';
import { sluice } from '../gateway/cli/sluice.ts';
import { answering, fakeServer } from '../support/fake-server.ts';
import { folderOf } from '../support/folder.ts';
import { freePorts } from '../support/free-ports.ts';
import { gateway, gatewayOf, infer, policyFile } from '../support/gateway.ts';
import { redisServer } from '../support/redis.ts';
import { standingOf } from '../support/standing.ts';
import { undo } from '../support/undo.ts';
import { until } from '../support/until.ts';

const BODIES = digitsOf(readHeldOut('config/data'))
  .slice(0, 400)
  .map(({ pixels }) =>
    JSON.stringify({ inputs: [{ name: 'image', shape: [1, 784], datatype: 'FP32', data: [...pixels] }] }),
  );

/** The digits of config/policy.yaml, with another candidate and other keys for its rollout. */
async function digitsPolicy(t: TestContext, candidate: string, keys: string): Promise<string> {
  const [a, b] = await freePorts(2);
  const text = readFileSync('config/policy.yaml', 'utf8')
    .replace('version: "2"', `version: "${candidate}"`)
    .replace(/steps: .*/, keys)
    .replace('9101', String(a))
    .replace('9102', String(b));
  return policyFile(t, text);
}

async function setup(t: TestContext, policy: string) {
  const data = folderOf(t, 'rollback');
  const args = ['--port', '0', '--admin-port', '0', '--drain-grace', '0ms'];
  const local = new LocalSetup({
    policyFile: policy,
    models: 'config/models',
    logLevel: 'silent',
    ports: 'policy',
    data,
    gatewayArgs: args,
  });
  undo(t, () => local.stop());
  await local.start();
  assert.ok(local.gateway);
  const again = async () => {
    const child = new Child(['gateway', '--policy', policy, '--data', data, '--log-level', 'silent', ...args]);
    undo(t, () => child.stop());
    return child.listening;
  };
  return { url: local.gateway.url, adminUrl: local.gateway.adminUrl ?? '', gateway: local.gateway.child, again };
}

let asked = 0;

/** Asks for so many digits, ten at a time, each for another user; the versions that answered. */
async function askMany(url: string, count: number): Promise<(string | null)[]> {
  const one = async () => {
    const user = `user-${asked++}`;
    const body = BODIES[asked % BODIES.length] ?? '';
    const response = await infer(url, { body, headers: { 'x-user-id': user } }, 'digits');
    await response.arrayBuffer();
    return response.headers.get('x-sluice-version');
  };
  const versions: (string | null)[] = [];
  while (versions.length < count) versions.push(...(await Promise.all(Array.from({ length: 10 }, one))));
  return versions;
}

test('a candidate that fails one in five is rolled back and stays out, also after SIGKILL and the old policy', async (t) => {
  const policy = await digitsPolicy(t, '3', 'steps: [50%]\n      rollback: { pause: 1s }\n');
  const { url, adminUrl, gateway, again } = await setup(t, policy);
  await until(
    async () => {
      await askMany(url, 20);
      return (await standingOf(adminUrl, 'digits'))?.phase === 'rolled back';
    },
    'a rollback',
    90_000,
  );
  assert.deepEqual(new Set(await askMany(url, 100)), new Set(['v1']));
  const { rolledBack } = (await standingOf(adminUrl, 'digits')) ?? {};
  t.diagnostic(rolledBack?.sentence ?? '');
  assert.match(rolledBack?.sentence ?? '', /v2 failed/);
  assert.ok((rolledBack?.examples ?? []).length > 0);
  const pinned = await infer(`${url}`, { headers: { 'x-sluice-version': 'v2' } }, 'digits');
  assert.equal(pinned.status, 409);
  assert.match(await pinned.text(), /rolled back/);

  gateway.signal('SIGKILL');
  await gateway.exited;
  const restarted = await again();
  assert.equal((await standingOf(restarted.adminUrl, 'digits'))?.phase, 'rolled back');
  assert.deepEqual(new Set(await askMany(restarted.url, 100)), new Set(['v1']));
});

test('a good candidate goes through its steps by itself and becomes the baseline', async (t) => {
  const keys = 'steps: [30% for 1s, 60% for 1s, 100% for 1s]\n      min_requests: 20\n      rollback: {}\n';
  const { url, adminUrl } = await setup(t, await digitsPolicy(t, '2', keys));
  const phases = new Set<string>();
  await until(
    async () => {
      await askMany(url, 20);
      const phase = (await standingOf(adminUrl, 'digits'))?.phase ?? '';
      phases.add(phase);
      return phase === 'promoted';
    },
    'a promotion',
    90_000,
  );
  assert.deepEqual([...phases], ['step 1', 'step 2', 'step 3', 'promoted']);
  assert.deepEqual(new Set(await askMany(url, 50)), new Set(['v2']));
});

const ROLLOUT = (keys = '') =>
  `rollout: { id: r, candidate: v2, unit: header x-user-id, steps: [50% for 1s, 100%], rollback: {}${keys} }`;

/** A model m with two versions on one server. */
const twoVersions = (server: string, keys = '') => `apiVersion: sluice/v1
fleet: { s: { url: "${server}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }
    baseline: v1
    pins: any
    ${ROLLOUT(keys)}
`;

test('when both versions fail the rollout holds and blames no one, and without traffic it stays where it is', async (t) => {
  const failing = await fakeServer(t, answering({ error: 'broken' }, 500));
  const { url, adminUrl } = await gateway(t, twoVersions(failing.url, ', min_requests: 1'));
  assert.equal((await standingOf(adminUrl))?.phase, 'step 1');
  await new Promise((resolve) => setTimeout(resolve, 2500));
  assert.equal((await standingOf(adminUrl))?.phase, 'step 1');
  let user = 0;
  await until(async () => {
    await Promise.all(Array.from({ length: 10 }, () => infer(url, { headers: { 'x-user-id': `u${user++}` } })));
    return (await standingOf(adminUrl))?.verdict?.kind === 'error';
  }, 'the verdict that no one can tell');
  const seen = await standingOf(adminUrl);
  assert.match(seen?.verdict?.sentence ?? '', /shared failure/);
  assert.match(seen?.phase ?? '', /^(step 1|holding)/);
});

async function order(adminUrl: string, action: string): Promise<number> {
  const answer = await fetch(`${adminUrl}/api/models/m/rollout/${action}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'it looks wrong', by: 'ada' }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

test('with Redis killed nothing is promoted, and a rollback goes through and is known to Redis when it is back', async (t) => {
  const redis = await redisServer(t);
  const ok = await fakeServer(t, answering({ outputs: [] }));
  const text = twoVersions(ok.url);
  const { url, adminUrl } = await gateway(t, text, { redisUrl: redis.url });
  await until(async () => (await standingOf(adminUrl))?.phase === 'step 1', 'the first step');
  await redis.kill();
  assert.equal(await order(adminUrl, 'promote'), 503);
  assert.equal(await order(adminUrl, 'rollback'), 202, 'at this gateway alone');
  const pinned = (to: string) => infer(to, { headers: { 'x-sluice-version': 'v2' } });
  assert.equal((await pinned(url)).status, 409);
  await redis.start();
  const client = redis.client();
  await until(async () => (await client.keys('*rolled*')).length > 0, 'the rollback in Redis');
  const other = await gatewayOf(t, policyFile(t, text), { redisUrl: redis.url });
  assert.equal((await pinned(other.url)).status, 409);
});

test('a rollback on one gateway is effective on the other within two seconds', async (t) => {
  const redis = await redisServer(t);
  const ok = await fakeServer(t, answering({ outputs: [] }));
  const text = twoVersions(ok.url);
  const settings = { redisUrl: redis.url };
  const [one, other] = await Promise.all([gateway(t, text, settings), gatewayOf(t, policyFile(t, text), settings)]);
  const pinned = async (url: string) => (await infer(url, { headers: { 'x-sluice-version': 'v2' } })).status;
  await until(async () => (await pinned(other.url)) === 200, 'the candidate on the other gateway');
  assert.equal(await order(one.adminUrl, 'rollback'), 200);
  assert.equal(await pinned(one.url), 409);
  const start = performance.now();
  await until(async () => (await pinned(other.url)) === 409, 'the rollback on the other gateway', 10_000);
  const took = performance.now() - start;
  const third = await gatewayOf(t, policyFile(t, text), settings);
  assert.equal(await pinned(third.url), 409, 'a gateway without any state that comes later');
  t.diagnostic(`the other gateway knew after ${Math.round(took)} ms`);
});

test('neither an old dump of Redis nor the old policy nor a gateway without any state brings a candidate back', async (t) => {
  const redis = await redisServer(t);
  const ok = await fakeServer(t, answering({ outputs: [] }));
  const text = twoVersions(ok.url);
  const settings = { redisUrl: redis.url };
  const one = await gateway(t, text, settings);
  const pinned = async (url: string) => (await infer(url, { headers: { 'x-sluice-version': 'v2' } })).status;
  await until(async () => (await pinned(one.url)) === 200, 'the candidate');
  await redis.client().save(); // the dump knows the rollout in its first step
  assert.equal(await order(one.adminUrl, 'rollback'), 200);
  await redis.kill();
  await redis.start();
  const fresh = await gatewayOf(t, policyFile(t, text), settings);
  const start = performance.now();
  await until(
    async () => (await pinned(fresh.url)) === 409,
    'the rollback at a gateway that knows only the dump',
    10_000,
  );
  t.diagnostic(`known after ${Math.round(performance.now() - start)} ms`);
  for (const { url } of [one, fresh])
    for (let i = 0; i < 100; i++)
      assert.equal((await infer(url, { headers: { 'x-user-id': `u${i}` } })).headers.get('x-sluice-version'), 'v1');
});

test('with a Redis that cannot be reached only baselines are served', async (t) => {
  const [port] = await freePorts(1);
  const ok = await fakeServer(t, answering({ outputs: [] }));
  const { url } = await gateway(t, twoVersions(ok.url), { redisUrl: `redis://127.0.0.1:${port}` });
  for (let i = 0; i < 20; i++)
    assert.equal((await infer(url, { headers: { 'x-user-id': `u${i}` } })).headers.get('x-sluice-version'), 'v1');
  assert.equal((await infer(url, { headers: { 'x-sluice-version': 'v2' } })).status, 409);
});

test('the demo of a rollback shows the suspension, the probe by other users, the end, and who answers afterwards', async () => {
  const { code, stdout, stderr } = await sluice(['demo', 'rollback']);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\nsuspended, second \d+: all users have v1 again\n {2}why: v2 failed \d+ of \d+/);
  assert.match(stdout, / suspended, a probe in \d+ s\n/);
  assert.match(stdout, /\nprobe, second \d+: 5 % of the users, who had v1 before, ask v2 again\n/);
  assert.match(stdout, /odds .* to 1, .* needed\n/);
  assert.match(stdout, /\nended, second \d+: .*\n {2}why: again, in a probe: v2 failed \d+ of \d+/);
  assert.match(stdout, /of the next 300 requests v2 answered 0;/);
});
