// A store in a Redis of the test's own, as one gateway has it, and what an observer beside it sees.
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Redis } from 'ioredis';
import { LocalAudit } from '../../../gateway/store/files/local-audit.ts';
import { LocalOrders } from '../../../gateway/store/files/local-orders.ts';
import { LocalRollouts } from '../../../gateway/store/files/local-rollouts.ts';
import { redisAddress } from '../../../gateway/store/redis/address.ts';
import { openRedisStore, type RedisStoreOptions } from '../../../gateway/store/redis/redis-store.ts';
import type { Store } from '../../../gateway/store/store.ts';
import { folderOf } from '../../support/folder.ts';
import { undo } from '../../support/undo.ts';
import { batchOf, comparison } from './made.ts';

export type Replica = { readonly store: Store; readonly troubles: Error[]; readonly folder: string };

/** Opens the store of one replica; its disk is a folder of its own unless told otherwise. */
export async function replica(
  t: TestContext,
  url: string,
  more: Partial<RedisStoreOptions> & { readonly folder?: string; readonly ca?: string } = {},
): Promise<Replica> {
  const { folder = folderOf(t), ca, ...options } = more;
  const rollouts = new LocalRollouts(join(folder, 'rollouts.json'));
  await rollouts.open();
  const orders = new LocalOrders(join(folder, 'shadow-orders.json'));
  await orders.open();
  const troubles: Error[] = [];
  const store = await openRedisStore({
    address: redisAddress(url, ca),
    prefix: 'sluice',
    local: { rollouts, orders, audit: new LocalAudit(join(folder, 'audit.jsonl')) },
    onTrouble: (error) => troubles.push(error),
    ...options,
  });
  undo(t, () => store.close(200));
  return { store, troubles, folder };
}

/** Tells a store one comparison every few milliseconds, from a clock of its own; returns how to stop, and what was told. */
export function telling(t: TestContext, store: Store, everyMs = 2): { readonly stop: () => number } {
  let told = 0;
  const timer = setInterval(() => store.comparisons.append(batchOf([comparison(`told-${told++}`)])), everyMs);
  undo(t, () => clearInterval(timer)); // also when the test fails, or its process would never end
  return {
    stop: () => {
      clearInterval(timer);
      return told;
    },
  };
}

/** The ids of every comparison in the stream. */
export async function idsInStream(client: Redis, prefix = 'sluice'): Promise<string[]> {
  const entries = await client.xrange(`{${prefix}}:comparisons`, '-', '+');
  return entries.map(([, fields]) => (JSON.parse(fields[1] ?? '{}') as { id: string }).id);
}
