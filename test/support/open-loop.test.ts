import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer } from './fake-server.ts';
import { openLoop } from './open-loop.ts';

test('requests start when they are due, and one stall shows in every request that was due meanwhile', async (t) => {
  let stallEnds = 0;
  const { url } = await fakeServer(t, async (request, response) => {
    if (request.url === '/20') stallEnds = performance.now() + 300;
    await sleep(Math.max(0, stallEnds - performance.now()));
    answering({})(request, response);
  });
  const load = await openLoop({ perSecond: 100, forMs: 800, send: async (i) => (await fetch(`${url}/${i}`)).status });
  assert.equal(load.sent.length, 80);
  assert.ok(load.sent.every(({ result }) => result.ok && result.value === 200));
  assert.deepEqual(
    load.sent.map(({ plannedMs }) => Math.round(plannedMs)),
    Array.from({ length: 80 }, (_, i) => i * 10),
  );
  // 300 ms of stall at 100 a second: 30 requests waited, on average half of it. A closed loop would have shown one.
  const stalled = load.sent.filter(({ latencyMs }) => latencyMs > 90).length;
  assert.ok(stalled >= 15, `${stalled} requests show the stall`);
  assert.ok(load.latency(1) >= 290, `the worst was ${load.latency(1)} ms`);
  assert.ok(load.latency(0) <= load.latency(0.5) && load.latency(0.5) <= load.latency(0.99));
});

test('a delay of the generator itself counts, and is told', async () => {
  const load = await openLoop({
    perSecond: 100,
    forMs: 200,
    send: async (i) => {
      const until = performance.now() + (i === 5 ? 120 : 0);
      while (performance.now() < until);
    },
  });
  assert.ok(load.worstLateMs >= 90, `${load.worstLateMs} ms late`);
  assert.ok((load.sent[7]?.latencyMs ?? 0) >= 80, 'a request that was due during the delay counts it');
});

test('failures and requests that never end are results, not an endless run', async () => {
  const load = await openLoop<never>({
    perSecond: 100,
    forMs: 20,
    patienceMs: 100,
    send: (i, signal) =>
      i === 0
        ? Promise.reject(new Error('refused'))
        : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  const errors = load.sent.map(({ result }) => (result.ok ? '' : String(result.error)));
  assert.deepEqual(errors, ['Error: refused', 'Error: no end within 100 ms']);
});
