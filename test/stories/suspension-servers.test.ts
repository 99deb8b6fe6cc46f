// What becomes of a rollout when the candidate's server is restarted or freezes: the trouble is the server's, so no version is
// ended for it.
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertGoesOn, twins } from './twin-servers.ts';

const DOWN_MS = 1200;
const START_MS = 600;
const FROZEN_MS = 1000;

test('the only server of a candidate is restarted: its callers may leave for a while, and the step goes on with them', async (t) => {
  const story = await twins(t);
  const killedAt = performance.now();
  await story.b.kill();
  await sleep(DOWN_MS - START_MS);
  await story.b.start();
  t.diagnostic(`down for ${Math.round(performance.now() - killedAt)} ms`);
  await assertGoesOn(t, story, killedAt);
});

test('the server of a candidate freezes for longer than its timeout: the step goes on', async (t) => {
  const story = await twins(t, { timeout: '500ms' });
  const frozenAt = performance.now();
  story.b.signal('SIGSTOP');
  await sleep(FROZEN_MS);
  story.b.signal('SIGCONT');
  await assertGoesOn(t, story, frozenAt);
});
