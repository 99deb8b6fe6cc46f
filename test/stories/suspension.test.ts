// Who stays and who leaves: a candidate that is slow only at first stays, and of two at one time only the bad one leaves.
import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer } from '../support/fake-server.ts';
import { until } from '../support/until.ts';
import { callersOf, Member, phasesOf } from './rollout-traffic.ts';

const ANSWER = { outputs: [{ name: 'p', datatype: 'FP32', shape: [1, 1], data: [0.5] }] };
const QUICK_MS = 5;

const after =
  (ms: number): RequestListener =>
  (incoming, response) =>
    void setTimeout(() => answering(ANSWER)(incoming, response), ms);

/** A server whose first answers take ten times as long as all later ones. */
async function coldServer(t: TestContext, slowAnswers: number) {
  let answered = 0;
  return fakeServer(t, (incoming, response) =>
    after(answered++ < slowAnswers ? 10 * QUICK_MS : QUICK_MS)(incoming, response),
  );
}

const isCopy = ({ headers }: { headers: { readonly [name: string]: unknown } }) =>
  headers['x-sluice-shadow'] === 'warm-up';

for (const [what, keys, copies] of [
  ['answers copies of requests before its first callers come', '', 20],
  ['that gets no copies has its first answers not held against it', 'warm_up: 0, ', 0],
] as const)
  test(`a cold candidate ${what}, and is not suspended for being slow at first`, async (t) => {
    const [warm, ...cold] = await Promise.all([fakeServer(t, after(QUICK_MS)), coldServer(t, 20), coldServer(t, 20)]);
    const policy = (rollout: string) => `apiVersion: sluice/v1
fleet: { w: { url: "${warm.url}" }, c0: { url: "${cold[0]?.url}" }, c1: { url: "${cold[1]?.url}" } }
models:
  m:
    timeout: 5s
    versions: { v1: { servers: [w] }, v2: { servers: [c0, c1] } }
    baseline: v1
${rollout}`;
    const member = await new Member(t, policy('')).start();
    const callers = callersOf(t, member, 100);
    await until(() => callers.had.length > 100, 'traffic on the baseline');
    const phases = phasesOf(t, member);
    member.write(
      policy(
        `    rollout: { id: r, candidate: v2, unit: header x-user-id, ${keys}steps: [20% for 1h, 100%], rollback: { pause: 1s } }\n`,
      ),
    );
    await until(() => callers.answeredBy('v2') > 0, 'a caller of the candidate', 30_000);
    await sleep(9000);
    await callers.stop();
    t.diagnostic(
      `${phases.join(', ')}; ${callers.answeredBy('v2')} answers; ${(await member.standing())?.verdict?.sentence}`,
    );
    for (const { seen } of cold) {
      const first = seen.findIndex((request) => !isCopy(request));
      assert.ok(copies === 0 ? first === 0 : first >= copies, `${first} copies before the first caller`);
    }
    assert.ok(callers.answeredBy('v2') > 100);
    assert.deepEqual(callers.statuses, { 200: callers.had.length });
    assert.deepEqual(
      phases.filter((phase) => phase !== 'pending'),
      ['step 1'],
    );
  });

test('of two candidates in a list the bad one ends, and the good one goes on', async (t) => {
  const good = await fakeServer(t, after(QUICK_MS));
  const bad = await fakeServer(t, (incoming, response) => {
    const fails = Math.random() < 0.5;
    answering(fails ? { error: 'failed' } : ANSWER, fails ? 500 : 200)(incoming, response);
  });
  const rollout = (id: string, candidate: string, from: string) =>
    `{ id: ${id}, candidate: ${candidate}, from: ${from}, unit: header x-user-id, steps: [20% for 1h], rollback: { pause: 1s } }`;
  const member = await new Member(
    t,
    `apiVersion: sluice/v1
fleet: { g: { url: "${good.url}" }, b: { url: "${bad.url}" } }
models:
  m:
    timeout: 5s
    versions: { v1: { servers: [g], version: "1" }, v2: { servers: [b] }, v3: { servers: [g], version: "3" } }
    baseline: v1
    rollout: [${rollout('bad', 'v2', '0%')}, ${rollout('good', 'v3', '20%')}]
`,
  ).start();
  const [badPhases, goodPhases] = [phasesOf(t, member, 'm', 0), phasesOf(t, member, 'm', 1)];
  const callers = callersOf(t, member, 100);
  const start = performance.now();
  await until(async () => (await member.phase('m', 0)).startsWith('suspended'), 'a suspension', 20_000);
  const suspendedAt = performance.now();
  const mine = callers.usersOf('v3');
  await until(async () => (await member.phase('m', 0)) === 'rolled back', 'the end of the bad one', 60_000);
  const endedAt = performance.now();
  t.diagnostic(
    `suspended after ${((suspendedAt - start) / 1000).toFixed(1)} s, ended after ${((endedAt - start) / 1000).toFixed(1)} s: ${(await member.standing('m', 0))?.rolledBack?.sentence}`,
  );
  await sleep(3000);
  await callers.stop();
  t.diagnostic(`${badPhases.join(', ')} | ${goodPhases.join(', ')}`);
  assert.deepEqual(goodPhases, ['step 1']);
  assert.equal(callers.answeredBy('v2', endedAt + 1000), 0);
  assert.ok(callers.answeredBy('v3', endedAt + 500) > 20);
  // The good one's callers are those that it had before, whatever becomes of the other.
  const now = callers.usersOf('v3', endedAt);
  const others = callers.usersOf('v1', endedAt);
  assert.deepEqual(
    [...now].filter((user) => mine.has(user) === false && others.has(user)),
    [],
  );
  assert.deepEqual(
    [...mine].filter((user) => others.has(user)),
    [],
  );
  assert.equal(callers.statuses[500], undefined);
});
