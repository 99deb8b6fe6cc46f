// Redis frozen under load: a few seconds in the tests, half a minute in the soak.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '../../../gateway/store/store.ts';
import { redisServer } from '../../support/redis.ts';
import { until } from '../../support/until.ts';
import { addsUp, batchOf, comparison } from './made.ts';
import { idsInStream, replica, telling } from './shared.ts';

/** Freezes Redis for this long: no call waits, nothing is lost within the bounds, and nothing is there twice afterwards. */
export async function freeze(t: TestContext, forMs: number): Promise<void> {
  const server = await redisServer(t);
  const { store } = await replica(t, server.url);
  const load = telling(t, store);
  await until(() => store.health().counters.written > 20, 'writes');
  const memoryBefore = process.memoryUsage().rss;
  server.signal('SIGSTOP');
  const { slowest, timed } = await slowestAppend(store, forMs);
  assert.ok(!store.health().up && addsUp(store));
  const rolling = performance.now();
  assert.deepEqual(await store.rollouts.rollBack('bad'), { shared: false });
  const rolledMs = performance.now() - rolling;
  const grownMiB = (process.memoryUsage().rss - memoryBefore) / 2 ** 20;
  t.diagnostic(
    `slowest append ${slowest.toFixed(2)} ms, rollback ${Math.round(rolledMs)} ms, memory +${grownMiB.toFixed(0)} MiB`,
  );
  assert.ok(slowest < 50 && rolledMs < 2000 && grownMiB < 64);
  server.signal('SIGCONT');
  const told = load.stop() + timed;
  await until(() => store.health().counters.waiting === 0, 'an empty queue', 20_000);
  const { dropped, unknown, written } = store.health().counters;
  assert.deepEqual([written, dropped, unknown], [told, 0, 0]);
  const client = server.client();
  const ids = await idsInStream(client);
  assert.deepEqual([ids.length, new Set(ids).size], [told, told]);
  await until(async () => (await client.sismember('{sluice}:rolled-back', 'bad')) === 1, 'the rollback');
  await until(async () => (await pairsIn(store)) === told, 'sums of all of them');
}

/** The longest that an append took while others came, over this time. */
async function slowestAppend(store: Store, overMs: number): Promise<{ slowest: number; timed: number }> {
  let slowest = 0;
  let timed = 0;
  for (const end = performance.now() + overMs; performance.now() < end; timed++) {
    const start = performance.now();
    store.comparisons.append(batchOf([comparison(`timed-${timed}`)]));
    slowest = Math.max(slowest, performance.now() - start);
    await sleep(10);
  }
  return { slowest, timed };
}

async function pairsIn(store: Store): Promise<number> {
  const subject = { model: 'digits', shadow: 'v2', baseline: 'v1', candidate: 'v2' };
  const slots = await store.comparisons.sums(subject, 'hour', Date.now() - 7_200_000, Date.now() + 7_200_000);
  return slots.reduce((sum, slot) => sum + (slot.sums.get('pairs') ?? 0), 0);
}
