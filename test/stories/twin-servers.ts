// Two model servers with the same model, one of them the baseline's and one the candidate's: what happens to one of them is the
// server's doing.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { callersOf, INPUT, Member, ModelServer, phasesOf, suspensionsIn } from './rollout-traffic.ts';

/** A rollout of the same model on another server, with traffic on both. */
export async function twins(t: TestContext, { steps = '30% for 1h, 100%', timeout = '1s' } = {}) {
  const [a, b] = (await ModelServer.started(t, 2)) as [ModelServer, ModelServer];
  const member = await new Member(
    t,
    `apiVersion: sluice/v1
fleet: { a: { url: "${a.url}" }, b: { url: "${b.url}" } }
models:
  m:
    timeout: ${timeout}
    versions:
      v1: { servers: [a], model: digits, version: "1" }
      v2: { servers: [b], model: digits, version: "1" }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: header x-user-id, steps: [${steps}], rollback: { pause: 1s } }
`,
  ).start();
  const callers = callersOf(t, member, 60, { body: INPUT }, 600);
  const phases = phasesOf(t, member);
  await until(() => callers.answeredBy('v2') > 50, 'traffic on the candidate');
  await sleep(1500);
  return { a, b, member, callers, phases };
}

export type Twins = Awaited<ReturnType<typeof twins>>;

/** The step goes on with the callers that it had, and nobody was given a 500. */
export async function assertGoesOn(t: TestContext, { member, callers, phases }: Twins, faultAt: number): Promise<void> {
  const start = performance.now();
  await sleep(3000); // long enough for a suspension
  await until(async () => (await member.phase()) === 'step 1', 'the step again', 40_000);
  const backAt = performance.now();
  await sleep(2000);
  await callers.stop();
  const before = callers.had.filter(({ atMs, version }) => atMs < faultAt && version === 'v2').map(({ user }) => user);
  const now = callers.usersOf('v1', backAt + 500);
  t.diagnostic(
    `${phases.join(', ')}; back after ${((backAt - start) / 1000).toFixed(1)} s; ${JSON.stringify(callers.statuses)}; ${(await member.standing())?.verdict?.sentence}`,
  );
  assert.deepEqual(
    before.filter((user) => now.has(user)),
    [],
    'a caller of the candidate is with the baseline now',
  );
  assert.ok(callers.answeredBy('v2', backAt) > 10);
  assert.ok(suspensionsIn(phases) <= 1, phases.join(', '));
  assert.equal(phases.includes('rolled back'), false);
  const seen = Object.keys(callers.statuses).filter((status) => !['200', '429', '502', '504'].includes(status));
  assert.deepEqual(seen, []);
}
