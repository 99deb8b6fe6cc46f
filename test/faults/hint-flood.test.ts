// Whoever may publish in Redis can flood the channel on which gateways hint at moves to each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer } from '../support/fake-server.ts';
import { policyOf } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { redisServer } from '../support/redis.ts';

const ROLLOUT = `timeout: 1s
    rollout: { id: r, candidate: v2, unit: random, steps: [5% for 1h], rollback: { error_rate: 5% } }`;

test('20,000 messages on the channel of hints hold up nobody', async (t) => {
  const server = await fakeServer(t, answering({}));
  const redis = await redisServer(t);
  const policy = policyOf([server.url], ROLLOUT).replace(
    '{ v1: { servers: [s0] } }',
    '{ v1: { servers: [s0] }, v2: { servers: [s0] } }',
  );
  const { url } = await gatewayProcess(t, policy, [], { REDIS_URL: redis.url });
  await sleep(1500); // it has subscribed
  const client = redis.client();
  const [channel] = (await client.pubsub('CHANNELS')) as string[];
  assert.ok(channel !== undefined, 'a gateway listens');
  let isOver = false;
  const pings = (async () => {
    const took: number[] = [];
    for (; !isOver; await sleep(2)) {
      const start = performance.now();
      assert.equal((await fetch(`${url}/v2/health/live`)).status, 200);
      took.push(performance.now() - start);
    }
    return took;
  })();
  await sleep(300);
  const flood = client.pipeline();
  for (let i = 0; i < 20_000; i++) flood.publish(channel, `r${i}`);
  const start = performance.now();
  await flood.exec();
  const published = performance.now() - start;
  await sleep(1000);
  isOver = true;
  const took = await pings;
  const most = Math.max(...took);
  t.diagnostic(
    `20,000 messages in ${published.toFixed(0)} ms: of ${took.length} pings the slowest took ${most.toFixed(0)} ms`,
  );
  assert.ok(most < 250, `a ping took ${most} ms`);
});
