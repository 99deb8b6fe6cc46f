// The clock that gateways share, seen from one whose own is 37 minutes ahead.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { faultProxy } from '../../../support/fault-proxy.ts';
import { needs } from '../../../support/programs.ts';
import { redisServer } from '../../../support/redis.ts';
import { until } from '../../../support/until.ts';
import { replica } from '../shared.ts';

const REDIS = needs('redis-server');
const AHEAD_MS = 37 * 60_000;

/** Sets this process's clock ahead; returns how far a clock is from the right one, and how to set this one again. */
function ahead(t: TestContext): { errorOf: (now: () => number) => number; setAhead: (ms: number) => void } {
  const realNow = Date.now.bind(Date);
  let aheadMs = AHEAD_MS;
  t.mock.method(Date, 'now', () => realNow() + aheadMs);
  return {
    errorOf: (now) => Math.abs(now() - realNow()),
    setAhead: (ms) => {
      aheadMs = ms;
    },
  };
}

test('it is right at every start, before anything is counted by it', REDIS, async (t) => {
  const server = await redisServer(t);
  const { errorOf } = ahead(t);
  const errors: number[] = [];
  for (let i = 0; i < 9; i++) errors.push(errorOf((await replica(t, server.url)).store.now));
  t.diagnostic(`wrong by ${errors.map((ms) => ms.toFixed(1)).join(', ')} ms`);
  assert.ok(Math.max(...errors) < 500);
});

test('it is measured as soon as Redis is there, and no one who sets the date changes it', REDIS, async (t) => {
  const server = await redisServer(t);
  await server.kill();
  const { errorOf, setAhead } = ahead(t);
  const { store } = await replica(t, server.url);
  assert.ok(errorOf(store.now) > AHEAD_MS - 1000, 'there is no one to ask');
  await server.start();
  await until(() => errorOf(store.now) < 500, 'the measure');
  setAhead(-AHEAD_MS);
  assert.ok(errorOf(store.now) < 500);
});

test('a slow connection makes it wrong by half of the delay at most', REDIS, async (t) => {
  const { errorOf } = ahead(t);
  const server = await redisServer(t);
  const proxy = await faultProxy(t, `http://127.0.0.1:${server.port}`);
  proxy.set({ toCaller: { latencyMs: 100 } });
  const { store } = await replica(t, proxy.url.replace('http', 'redis'));
  await until(() => errorOf(store.now) < 100, 'the measure');
});
