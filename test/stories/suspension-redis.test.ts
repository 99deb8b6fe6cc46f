// A suspension among several gateways: it reaches the others at once, and outlives a reload, a restart and a Redis that is away.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer } from '../support/fake-server.ts';
import { policyFile } from '../support/gateway.ts';
import { redisServer } from '../support/redis.ts';
import { until } from '../support/until.ts';
import { ask, callersOf, callersWith, Member } from './rollout-traffic.ts';

/** How long another gateway may take to give callers back. */
const SHARED_MS = 2000;

/** Two gateways on one Redis, and a candidate that fails half of its requests from when it is told to. */
async function setUp(t: TestContext, rollback = '{}') {
  const candidate = { isFailing: false };
  const redis = await redisServer(t);
  const good = await fakeServer(t, answering({ outputs: [] }));
  const bad = await fakeServer(t, (incoming, response) => {
    const fails = candidate.isFailing && Math.random() < 0.5;
    answering(fails ? { error: 'failed' } : { outputs: [] }, fails ? 500 : 200)(incoming, response);
  });
  const policy = (timeout = '1s') => `apiVersion: sluice/v1
fleet: { g: { url: "${good.url}" }, b: { url: "${bad.url}" } }
models:
  m:
    timeout: ${timeout}
    versions: { v1: { servers: [g] }, v2: { servers: [b] } }
    baseline: v1
    pins: any
    rollout: { id: r, candidate: v2, unit: header x-user-id, warm_up: 0, steps: [20% for 1h, 40% for 1h, 100%], rollback: ${rollback} }
`;
  const file = policyFile(t, policy());
  const members = ['one', 'two'].map((data) => new Member(t, '', { redisUrl: redis.url, file, data }));
  const [one, two] = (await Promise.all(members.map((member) => member.start()))) as [Member, Member];
  for (const member of members)
    await until(async () => (await member.phase()) === 'step 1', 'the first step at both gateways');
  return { candidate, redis, policy, one, two, users: await callersWith(one.url, 'v2', 10) };
}

/** The versions that answer these users. */
async function versionsOf(url: string, users: readonly string[]): Promise<ReadonlySet<string>> {
  const had = await Promise.all(users.map((user) => ask(url, user)));
  assert.deepEqual(new Set(had.map(({ status }) => status)), new Set([200]));
  return new Set(had.map(({ version }) => version));
}

/** How many suspensions a gateway counts that the shared store does not have. */
async function pendingAt({ adminUrl }: Member): Promise<number> {
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return Number(/^sluice_suspensions_pending\{at="store"\} (\d+)$/m.exec(text)?.[1]);
}

const pinned = (url: string) => ask(url, 'someone', { headers: { 'x-sluice-version': 'v2' } });

test('a suspension reaches the other gateway, and lasts over a reload and a restart until a person resumes', async (t) => {
  const { candidate, policy, one, two, users } = await setUp(t);
  assert.deepEqual(await versionsOf(two.url, users), new Set(['v2']));
  const callers = callersOf(t, one, 100);
  await until(() => callers.answeredBy('v2') > 30, 'traffic on the candidate');
  candidate.isFailing = true;
  const start = performance.now();
  await until(async () => (await one.phase()).startsWith('suspended'), 'a suspension', 20_000);
  const suspendedAt = performance.now();
  await until(async () => (await two.phase()).startsWith('suspended'), 'the suspension at the other one');
  const sharedAt = performance.now();
  assert.deepEqual(await versionsOf(two.url, users), new Set(['v1']));
  t.diagnostic(
    `suspended after ${Math.round(suspendedAt - start)} ms, at the other gateway ${Math.round(sharedAt - suspendedAt)} ms later: ${(await two.standing())?.suspended?.sentence}`,
  );
  assert.ok(sharedAt - suspendedAt < SHARED_MS);

  // A pin is a person's own choice, and the candidate is not out of service.
  candidate.isFailing = false;
  for (const { url } of [one, two]) {
    const had = await pinned(url);
    assert.deepEqual([had.status, had.version], [200, 'v2']);
  }

  // A reload.
  const sha = async (member: Member) => (await member.status()).policy.sha256;
  const before = await sha(one);
  one.write(policy('2s'));
  for (const member of [one, two]) {
    await until(async () => (await sha(member)) !== before, 'the other policy in force');
    assert.equal(await member.phase(), 'suspended in step 1');
    assert.deepEqual(await versionsOf(member.url, users), new Set(['v1']));
  }

  // A restart.
  await callers.stop();
  await one.kill();
  await one.start();
  assert.equal(await one.phase(), 'suspended in step 1');
  assert.deepEqual(await versionsOf(one.url, users), new Set(['v1']));
  assert.equal((await pinned(one.url)).status, 200);

  const { status, text } = await two.order('resume');
  assert.equal(status, 200, text);
  assert.deepEqual(await versionsOf(two.url, users), new Set(['v2']));
  await until(async () => (await one.phase()) === 'step 1', 'the step at the other gateway', 10_000);
  assert.deepEqual(await versionsOf(one.url, users), new Set(['v2']));
  assert.equal(callers.statuses[500], undefined);
});

test('with Redis killed a suspension is in force at once, is counted as pending, outlives SIGKILL, and reaches the others when Redis is back', async (t) => {
  const { candidate, redis, one, two, users } = await setUp(t);
  const callers = callersOf(t, one, 100);
  await until(() => callers.answeredBy('v2') > 30, 'traffic on the candidate');
  await redis.kill();
  candidate.isFailing = true;
  const start = performance.now();
  await until(async () => (await one.phase()).startsWith('suspended'), 'a suspension', 20_000);
  t.diagnostic(`suspended without Redis after ${Math.round(performance.now() - start)} ms`);
  assert.deepEqual(await versionsOf(one.url, users), new Set(['v1']));
  candidate.isFailing = false;
  assert.equal(await two.phase(), 'step 1');
  assert.deepEqual(await versionsOf(two.url, users), new Set(['v2']));
  await sleep(2000);
  assert.equal(await one.phase(), 'suspended in step 1');
  assert.deepEqual([await pendingAt(one), await pendingAt(two)], [1, 0]);
  const { pendingSuspensions } = await one.status();
  assert.deepEqual(
    pendingSuspensions.map(({ id, at }) => [id, at]),
    [['r', 'store']],
  );
  assert.match(pendingSuspensions[0]?.sentence ?? '', /^the suspension of r holds at this gateway only/);
  const errors = one.logged('error');
  assert.ok(errors.length <= 3, errors.join('\n'));
  await callers.stop();

  await one.kill();
  await one.start();
  assert.equal(await one.phase(), 'suspended in step 1');
  assert.equal(await pendingAt(one), 1);
  assert.deepEqual(await versionsOf(one.url, users), new Set(['v1']));

  await redis.start();
  const backAt = performance.now();
  await until(async () => (await two.phase()) === 'suspended in step 1', 'the suspension at the other gateway', 30_000);
  for (const member of [one, two]) await until(async () => (await pendingAt(member)) === 0, 'nothing pending');
  t.diagnostic(`the other gateway knew ${Math.round(performance.now() - backAt)} ms after Redis was back`);
  for (const member of [one, two]) {
    assert.deepEqual(await versionsOf(member.url, users), new Set(['v1']));
    await until(async () => (await pinned(member.url)).status === 200, 'the candidate for a pin');
  }
  assert.equal(await one.phase(), 'suspended in step 1');
  assert.equal(callers.statuses[500], undefined);
});

test('without Redis no gateway asks a candidate again; when it is back one probe does for all, and the step goes on', async (t) => {
  const { candidate, redis, one, two, users } = await setUp(t, '{ pause: 1s }');
  const traffic = [callersOf(t, one, 60), callersOf(t, two, 60)];
  await until(() => traffic.every((callers) => callers.answeredBy('v2') > 30), 'traffic on the candidate');
  await redis.kill();
  candidate.isFailing = true;
  for (const member of [one, two])
    await until(async () => (await member.phase()).startsWith('suspended'), 'a suspension at each gateway', 20_000);
  candidate.isFailing = false;
  await sleep(4000);
  for (const member of [one, two]) {
    assert.equal(await member.phase(), 'suspended in step 1');
    assert.deepEqual(await versionsOf(member.url, users), new Set(['v1']));
  }
  await redis.start();
  const start = performance.now();
  for (const member of [one, two])
    await until(async () => (await member.phase()) === 'step 1', 'the step at each gateway', 40_000);
  t.diagnostic(`the step again after ${((performance.now() - start) / 1000).toFixed(1)} s`);
  for (const member of [one, two]) {
    assert.deepEqual(await versionsOf(member.url, users), new Set(['v2']));
    const { probes, acquittals } = (await member.standing()) ?? {};
    assert.deepEqual([probes, acquittals], [1, 1]);
  }
  for (const callers of traffic) {
    await callers.stop();
    assert.equal(callers.statuses[500], undefined);
  }
});

test('a suspension that only one gateway knows is ahead of the step that a person orders at the other one meanwhile', async (t) => {
  const { candidate, redis, one, two, users } = await setUp(t);
  const callers = callersOf(t, one, 100);
  await until(() => callers.answeredBy('v2') > 30, 'traffic on the candidate');
  await redis.client().save(); // what it knows when it is back
  await redis.kill();
  candidate.isFailing = true;
  const isKept = () => readFileSync(one.path('rollouts.json'), 'utf8').includes('"suspended"');
  await until(isKept, 'a suspension on disk', 20_000);
  await callers.stop();
  await one.kill();
  await redis.start();
  await until(async () => (await two.order('promote')).status === 200, 'the next step at the other gateway', 20_000);
  assert.equal(await two.phase(), 'step 2');
  await one.start();
  for (const member of [one, two]) {
    await until(async () => (await member.phase()) === 'suspended in step 1', 'the suspension at each gateway', 20_000);
    assert.deepEqual(await versionsOf(member.url, users), new Set(['v1']));
  }
});
