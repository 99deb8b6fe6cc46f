// The whole fleet freezes for some seconds: no version is to blame, in a step and after a promotion.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { suspensionsIn } from './rollout-traffic.ts';
import { assertGoesOn, twins } from './twin-servers.ts';

const FROZEN_MS = 4000;
/** After so long without an answer there is no baseline to compare with. */
const SILENT_MS = 6000;

test('every server freezes for some seconds: nobody is blamed, and the step goes on', async (t) => {
  const story = await twins(t);
  const frozenAt = performance.now();
  for (const server of [story.a, story.b]) server.signal('SIGSTOP');
  await sleep(FROZEN_MS);
  for (const server of [story.a, story.b]) server.signal('SIGCONT');
  await assertGoesOn(t, story, frozenAt);
});

test('every server freezes for some seconds after a promotion: the version stays promoted', async (t) => {
  const { a, b, member, callers, phases } = await twins(t, { steps: '50% for 1h' });
  assert.equal((await member.order('promote')).status, 200);
  await until(async () => (await member.phase()) === 'promoted', 'the promotion');
  const promotedAt = performance.now();
  await sleep(SILENT_MS);
  assert.equal(callers.answeredBy('v1', promotedAt + 1000), 0);
  for (const server of [a, b]) server.signal('SIGSTOP');
  await sleep(FROZEN_MS);
  for (const server of [a, b]) server.signal('SIGCONT');
  await sleep(3000); // long enough for a suspension
  await until(async () => (await member.phase()) === 'promoted', 'the promoted version back', 40_000);
  const backAt = performance.now();
  await sleep(2000);
  await callers.stop();
  t.diagnostic(
    `${phases.join(', ')}; ${JSON.stringify(callers.statuses)}; ${(await member.standing())?.verdict?.sentence}`,
  );
  assert.equal(phases.includes('rolled back'), false);
  assert.ok(suspensionsIn(phases) <= 1, phases.join(', '));
  assert.equal(callers.answeredBy('v1', backAt + 1000), 0);
  assert.ok(callers.answeredBy('v2', backAt + 1000) > 20);
  assert.equal(callers.statuses[500], undefined);
});
