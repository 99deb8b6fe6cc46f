// Whoever may publish in Redis can flood the channel on which gateways hint at moves to each other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering, fakeServer } from '../support/fake-server.ts';
import { policyOf } from '../support/gateway.ts';
import { gatewayProcess } from '../support/gateway-process.ts';
import { cpuMicros } from '../support/process-tree.ts';
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
  const { url, child } = await gatewayProcess(t, policy, [], { REDIS_URL: redis.url });
  await sleep(1500); // it has subscribed
  const client = redis.client();
  const [channel] = (await client.pubsub('CHANNELS')) as string[];
  assert.ok(channel !== undefined, 'a gateway listens');
  const { pid = 0 } = child.process;
  const flood = client.pipeline();
  for (let i = 0; i < 20_000; i++) flood.publish(channel, `r${i % 2 === 0 ? '' : i}`);
  const before = cpuMicros(pid);
  await flood.exec();
  assert.equal((await fetch(`${url}/v2/health/live`)).status, 200);
  await sleep(1000);
  const busyMs = (cpuMicros(pid) - before) / 1000;
  t.diagnostic(`20,000 messages, and a second more, took ${busyMs.toFixed(0)} ms of CPU`);
  // Nobody can be held up for longer. Not a wait by the clock, which measures what else runs on the machine.
  assert.ok(busyMs < 250, `the gateway was busy for ${busyMs} ms`);
});
