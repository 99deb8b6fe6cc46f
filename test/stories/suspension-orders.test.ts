// What a person may order while a candidate's callers are with the baseline, and what each order does.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { answering, fakeServer } from '../support/fake-server.ts';
import { until } from '../support/until.ts';
import { ask, callersOf, callersWith, Member } from './rollout-traffic.ts';

/** A candidate that fails half of its requests while it is told to. */
async function setUp(t: TestContext, pause: string) {
  const candidate = { isFailing: false };
  const good = await fakeServer(t, answering({ outputs: [] }));
  const bad = await fakeServer(t, (incoming, response) => {
    const fails = candidate.isFailing && Math.random() < 0.5;
    answering(fails ? { error: 'failed' } : { outputs: [] }, fails ? 500 : 200)(incoming, response);
  });
  const member = await new Member(
    t,
    `apiVersion: sluice/v1
fleet: { g: { url: "${good.url}" }, b: { url: "${bad.url}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [g] }, v2: { servers: [b] } }
    baseline: v1
    pins: any
    rollout: { id: r, candidate: v2, unit: header x-user-id, warm_up: 0, steps: [20% for 1h, 100%], rollback: { pause: ${pause} } }
`,
  ).start();
  const users = await callersWith(member.url, 'v2', 10);
  const callers = callersOf(t, member, 100);
  /** The candidate fails until it is suspended, and is well again. */
  const suspend = async () => {
    candidate.isFailing = true;
    await until(async () => (await member.phase()).startsWith('suspended'), 'a suspension', 20_000);
    candidate.isFailing = false;
  };
  const versions = async () => {
    const had = await Promise.all(users.map((user) => ask(member.url, user)));
    return [...new Set(had.map(({ version }) => version))];
  };
  return { member, callers, suspend, versions };
}

async function done(member: Member, what: string): Promise<void> {
  const { status, text } = await member.order(what);
  assert.equal(status, 200, `${what}: ${text}`);
}

async function assertRefusesToPromote(t: TestContext, member: Member): Promise<void> {
  const { status, text } = await member.order('promote');
  t.diagnostic(`promote: ${status} ${text}`);
  assert.equal(status, 409);
  assert.match(text, /promote is not possible while its callers are with the baseline; resume gives them back/);
}

test('while a candidate is suspended a person can pause, resume and roll back, and is told why not promote', async (t) => {
  const { member, callers, suspend, versions } = await setUp(t, '3s');
  await suspend();
  assert.equal(await member.phase(), 'suspended in step 1');
  await assertRefusesToPromote(t, member);
  assert.equal(await member.phase(), 'suspended in step 1');

  await done(member, 'pause');
  assert.equal(await member.phase(), 'suspended (held) in step 1');
  assert.deepEqual(await versions(), ['v1']);
  await new Promise((resolve) => setTimeout(resolve, 6000)); // no probe follows
  assert.equal(await member.phase(), 'suspended (held) in step 1');
  const { verdict, suspended } = (await member.standing()) ?? {};
  assert.equal(suspended?.is, 'held');
  assert.match(verdict?.sentence ?? '', /held: a person decides/);
  await assertRefusesToPromote(t, member);

  await done(member, 'resume');
  assert.equal(await member.phase(), 'step 1');
  assert.deepEqual(await versions(), ['v2']);

  await suspend();
  await done(member, 'rollback');
  assert.equal(await member.phase(), 'rolled back');
  assert.deepEqual(await versions(), ['v1']);
  assert.equal((await ask(member.url, 'someone', { headers: { 'x-sluice-version': 'v2' } })).status, 409);
  await callers.stop();
  assert.equal(callers.statuses[500], undefined);
});

test('while a probe asks a candidate a person can pause, resume and roll back, and is told why not promote', async (t) => {
  const { member, callers, suspend, versions } = await setUp(t, '1s');
  const probe = () => until(async () => (await member.phase()) === 'suspended (probing) in step 1', 'a probe', 20_000);
  await suspend();
  await probe();
  await assertRefusesToPromote(t, member);
  assert.deepEqual(await versions(), ['v1'], 'its own callers are not asked');
  // Other callers are.
  const probedAt = performance.now();
  await until(() => callers.answeredBy('v2', probedAt) > 5, 'callers of the probe');

  await done(member, 'pause');
  assert.equal(await member.phase(), 'suspended (held) in step 1');
  const heldAt = performance.now();
  await done(member, 'resume');
  assert.equal(await member.phase(), 'step 1');
  assert.deepEqual(await versions(), ['v2']);
  t.diagnostic(`${callers.answeredBy('v2', heldAt)} answers since`);

  await suspend();
  await probe();
  await done(member, 'resume');
  assert.equal(await member.phase(), 'step 1');
  assert.deepEqual(await versions(), ['v2']);

  await suspend();
  await probe();
  await done(member, 'rollback');
  assert.equal(await member.phase(), 'rolled back');
  assert.deepEqual(await versions(), ['v1']);
  await callers.stop();
  assert.equal(callers.statuses[500], undefined);
});
