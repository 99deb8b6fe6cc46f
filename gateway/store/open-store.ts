import { join } from 'node:path';
import { UserError } from '../errors.ts';
import { makeFolder } from '../policy/make-folder.ts';
import { Damages } from './damage.ts';
import { lockFolder } from './files/folder-lock.ts';
import { LocalAudit } from './files/local-audit.ts';
import { LocalOrders } from './files/local-orders.ts';
import { LocalRollouts } from './files/local-rollouts.ts';
import { type LocalStoreOptions, openLocalStore } from './files/local-store.ts';
import { redisAddress } from './redis/address.ts';
import { openRedisStore } from './redis/redis-store.ts';
import type { Store } from './store.ts';

/** Where a gateway remembers things. */
export type StoreSettings = {
  /** Folder of this process alone, for what must survive a restart. */
  readonly data: string;
  readonly redisUrl: string | undefined;
  readonly redisPrefix: string;
  readonly redisCa: string | undefined;
};

export type StoreHooks = Pick<LocalStoreOptions, 'retention' | 'onTrouble' | 'rolloutIds'> & {
  readonly onRecovered?: () => void;
};

/** Opens the store that the settings ask for. Throws UserError. */
export async function openStore(settings: StoreSettings, hooks: StoreHooks = {}): Promise<Store> {
  return open(settings, hooks).catch((error: NodeJS.ErrnoException) => {
    if (error instanceof UserError || error.syscall === undefined) throw error;
    // A file where a folder should be, a folder without rights, a disk with errors.
    const next = 'give the gateway a folder of its own with --data';
    throw new UserError(`the data folder ${settings.data} cannot be used: ${error.message}; ${next}`, 1, {
      cause: error,
    });
  });
}

async function open(settings: StoreSettings, hooks: StoreHooks): Promise<Store> {
  const { data, redisUrl, redisPrefix: prefix, redisCa } = settings;
  if (redisUrl === undefined) return openLocalStore({ folder: data, ...hooks });
  const address = redisAddress(redisUrl, redisCa);
  await makeFolder(data);
  const unlock = await lockFolder(data);
  try {
    const damages = new Damages(hooks.onTrouble ?? (() => {}));
    const rollouts = new LocalRollouts(join(data, 'rollouts.json'), damages);
    const audit = new LocalAudit(join(data, 'audit.jsonl'), damages);
    await rollouts.open(hooks.rolloutIds, () => audit.rolledBack());
    const orders = new LocalOrders(join(data, 'shadow-orders.json'), damages);
    await orders.open();
    const local = { rollouts, orders, audit };
    const store = await openRedisStore({ address, prefix, local, damages, ...hooks });
    return { ...store, close: (withinMs) => store.close(withinMs).finally(unlock) };
  } catch (error) {
    await unlock();
    throw error;
  }
}
