// Gateways whose own clocks are wrong, or are set while they run: they count with the others and hear them.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer } from '../support/fake-server.ts';
import { folderOf } from '../support/folder.ts';
import { gateway, infer } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { needs } from '../support/programs.ts';
import { redisServer } from '../support/redis.ts';
import { standingOf } from '../support/standing.ts';
import { until } from '../support/until.ts';

const MINUTE_MS = 60_000;
const PRELOAD = new URL('../support/shifted-clock.js', import.meta.url).href;

/** A gateway as a process whose clock is off; `setClock` sets it again while it runs. */
async function shifted(t: TestContext, policy: string, redisUrl: string, shiftMs: number) {
  const file = join(folderOf(t), 'shift');
  const setClock = (ms: number) => writeFileSync(file, String(ms));
  setClock(shiftMs);
  const env = { REDIS_URL: redisUrl, SHIFT_FILE: file, NODE_OPTIONS: `--import ${PRELOAD}` };
  return { ...(await gatewayProcess(t, policy, [], env)), setClock };
}

test(
  'a gateway 37 minutes ahead counts with the others and hears them within 2 s, also after its clock is set and it was frozen',
  needs('redis-server'),
  async (t) => {
    const redis = await redisServer(t);
    const server = await fakeServer(t, answering({ outputs: [] }));
    const policy = `apiVersion: sluice/v1
fleet: { s: { url: "${server.url}" } }
models:
  m:
    timeout: 1s
    versions: { v1: { servers: [s], version: "1" }, v2: { servers: [s], version: "2" } }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: random, steps: [50% for 1h, 60%], rollback: {} }
`;
    const right = await gateway(t, policy, { redisUrl: redis.url });
    const ahead = await shifted(t, policy, redis.url, 37 * MINUTE_MS);
    for (const each of [right, ahead])
      await until(async () => (await standingOf(each.adminUrl))?.phase === 'step 1', 'the first step');
    let all = 0;
    /** 20 answers of the candidate by each gateway: both know of all of them, within the 2 s of a second that is told, and a tick. */
    const countTogether = async (when: string) => {
      for (const { url } of [right, ahead])
        for (let candidates = 0; candidates < 20; ) {
          const answer = await infer(url);
          await answer.arrayBuffer();
          if (answer.headers.get('x-sluice-version') === 'v2') candidates++;
        }
      all += 40;
      const start = performance.now();
      for (const each of [right, ahead])
        await until(async () => (await standingOf(each.adminUrl))?.requests === all, `${all} requests, ${when}`, 8000);
      t.diagnostic(`${when}: both knew after ${Math.round(performance.now() - start)} ms`);
    };
    await countTogether('37 minutes ahead');
    ahead.setClock(-60 * MINUTE_MS);
    await countTogether('set back by 97 minutes');
    ahead.setClock(24 * 60 * MINUTE_MS);
    await countTogether('set forward by a day');
    ahead.child.signal('SIGSTOP');
    await sleep(5000);
    ahead.child.signal('SIGCONT');
    await countTogether('frozen for 5 s');
    const rolling = performance.now();
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: JSON.stringify({ reason: 'a test' }) };
    assert.equal((await fetch(`${right.adminUrl}/api/models/m/rollout/rollback`, init)).status, 200);
    await until(async () => (await standingOf(ahead.adminUrl))?.phase === 'rolled back', 'the rollback', 2000);
    t.diagnostic(`the rollback was known after ${Math.round(performance.now() - rolling)} ms`);
  },
);
