import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { lockFolder } from './folder-lock.ts';
import { LocalAudit } from './local-audit.ts';
import { LocalOrders } from './local-orders.ts';
import { LocalRollouts } from './local-rollouts.ts';
import { openLocalStore } from './local-store.ts';
import { redisAddress } from './redis/address.ts';
import { openRedisStore } from './redis/redis-store.ts';
import type { Retention } from './retention.ts';
import type { Store } from './store.ts';

/** Where a gateway remembers things. */
export type StoreSettings = {
  /** Folder of this process alone, for what must survive a restart. */
  readonly data: string;
  readonly redisUrl: string | undefined;
  readonly redisPrefix: string;
  readonly redisCa: string | undefined;
};

export type StoreHooks = {
  readonly retention?: Retention;
  readonly onTrouble?: (error: Error) => void;
  readonly onRecovered?: () => void;
};

/** Opens the store that the settings ask for. Throws UserError. */
export async function openStore(settings: StoreSettings, hooks: StoreHooks = {}): Promise<Store> {
  const { data, redisUrl, redisPrefix: prefix, redisCa } = settings;
  if (redisUrl === undefined) return openLocalStore({ folder: data, ...hooks });
  const address = redisAddress(redisUrl, redisCa);
  await mkdir(data, { recursive: true });
  const unlock = await lockFolder(data);
  try {
    const rollouts = new LocalRollouts(join(data, 'rollouts.json'));
    await rollouts.open();
    const orders = new LocalOrders(join(data, 'shadow-orders.json'));
    await orders.open();
    const local = { rollouts, orders, audit: new LocalAudit(join(data, 'audit.jsonl')) };
    const store = await openRedisStore({ address, prefix, local, ...hooks });
    return { ...store, close: (withinMs) => store.close(withinMs).finally(unlock) };
  } catch (error) {
    await unlock();
    throw error;
  }
}
