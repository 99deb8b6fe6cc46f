// The store that replicas share. Redis is never waited for by a request; what only this machine may decide, a rollback, is
// on its own disk first.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../errors.ts';
import { Damages } from '../damage.ts';
import type { LocalAudit } from '../files/local-audit.ts';
import type { LocalOrders } from '../files/local-orders.ts';
import type { LocalRollouts } from '../files/local-rollouts.ts';
import { DEFAULT_RETENTION, type Retention } from '../retention.ts';
import type { Store, StoreHealth } from '../store.ts';
import type { RedisAddress } from './address.ts';
import { Connections } from './connections.ts';
import { fixedKeys, type RedisKeys, redisKeys } from './keys.ts';
import { hearPrinted } from './printed.ts';
import { type Purpose, rightsOf } from './purposes.ts';
import { watchRights } from './rights.ts';
import { SharedAudit } from './shared-audit.ts';
import { SharedClock } from './shared-clock.ts';
import { SharedComparisons } from './shared-comparisons.ts';
import { SharedExperiments } from './shared-experiments.ts';
import { SharedOrders } from './shared-orders.ts';
import { SharedOutcomes } from './shared-outcomes.ts';
import { SharedRollouts } from './shared-rollouts.ts';
import { Writer } from './writer.ts';

/** A start waits this long for Redis, and then goes on without. */
const FIRST_CONNECT_MS = 1000;

export type RedisStoreOptions = {
  readonly address: RedisAddress;
  readonly prefix: string;
  /** What must survive without Redis. */
  readonly local: { readonly rollouts: LocalRollouts; readonly orders: LocalOrders; readonly audit: LocalAudit };
  readonly retention?: Retention;
  readonly onTrouble?: (error: Error) => void;
  /** Redis does everything again that it refused. */
  readonly onRecovered?: () => void;
  readonly damages?: Damages;
};

/** Opens a store in Redis, whether or not Redis can be reached now. Throws UserError for keys that another application has. */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const { address, prefix, local, retention = DEFAULT_RETENTION, onTrouble = () => {} } = options;
  const { onRecovered = () => {}, damages = new Damages(onTrouble) } = options;
  const keys = redisKeys(prefix);
  const rights = (purpose: Purpose) => rightsOf(keys, purpose === 'rights' ? undefined : [purpose]);
  const connections = new Connections(address, { onTrouble, onRecovered, rightsOf: rights });
  const stopHearing = hearPrinted((text) => onTrouble(new Error(`Redis: ${text}`)));
  const replica = randomUUID();
  const clock = new SharedClock(connections, keys, () => outcomes.forget());
  const writer = new Writer({ connections, appliedKey: keys.applied(replica), onTrouble });
  const comparisons = new SharedComparisons({ connections, keys, writer, retention, damages, now: clock.now });
  const experiments = new SharedExperiments({ connections, keys, writer, damages, keepMs: retention.experimentsMs });
  const outcomes = new SharedOutcomes({ connections, keys, replica, damages, keepMs: retention.windowsMs });
  await connected(connections, clock);
  const stop = () => {
    clock.stop();
    connections.close();
    stopHearing();
  };
  if (connections.reason() === undefined)
    await checkKeys(connections, keys).catch((error: unknown) => {
      stop();
      throw error;
    });
  connections.onReady('write', () => {
    writer.wake();
    experiments.republish();
    void outcomes.flush();
  });
  warnOfRedis(connections, keys, onTrouble);
  const stopWatching = watchRights(connections, keys);
  return {
    comparisons,
    outcomes,
    experiments,
    rollouts: new SharedRollouts({ connections, keys, local: local.rollouts, damages, onTrouble }),
    shadowOrders: new SharedOrders({ connections, keys, local: local.orders, damages, now: clock.now }),
    audit: new SharedAudit({ connections, keys, writer, local: local.audit, damages, keep: retention.audit }),
    damages,
    now: clock.now,
    health: () => healthOf(connections, writer, local),
    close: async (withinMs = 1000) => {
      await writer.close(withinMs);
      await Promise.race([written(local), sleep(withinMs, undefined, { ref: false })]);
      stopWatching();
      stop();
    },
  };
}

/** What counts by the shared clock must not begin before it is measured. */
async function connected(connections: Connections, clock: SharedClock): Promise<void> {
  const ready = connections.allReady().then(() => clock.start());
  await Promise.race([ready, sleep(FIRST_CONNECT_MS, undefined, { ref: false })]);
}

function written({ rollouts, orders, audit }: RedisStoreOptions['local']): Promise<unknown> {
  return Promise.allSettled([rollouts.refresh(), orders.refresh(), audit.close()]);
}

function healthOf(connections: Connections, writer: Writer, local: RedisStoreOptions['local']): StoreHealth {
  const disk = [local.rollouts, local.orders, local.audit].flatMap((part) => part.trouble() ?? []);
  const { operations } = connections;
  const troubles = [...new Set([connections.reason() ?? [], operations.troubles(), disk].flat())];
  const [reason] = troubles;
  const failures = operations.failures();
  const up = reason === undefined;
  const auditDropped = local.audit.dropped;
  return { kind: 'redis', up, reason, troubles, failures, counters: writer.counters(), auditDropped };
}

/** Reports, whenever Redis is there, what is wrong with it: it may have come only after the check that a start makes. */
function warnOfRedis(connections: Connections, keys: RedisKeys, onTrouble: (error: Error) => void): void {
  connections.onReady('control', () => {
    void checkKeys(connections, keys).catch(onTrouble);
    void warnOfEviction(connections, onTrouble);
  });
}

/** Throws UserError when a key of ours holds something that is not ours. */
async function checkKeys(connections: Connections, keys: RedisKeys): Promise<void> {
  for (const [key, type] of fixedKeys(keys)) {
    // Reported by `use`; whose a key is, is found out by what is done with it too.
    const found = await connections.use('keys_read', (client) => client.type(key)).catch(() => 'none');
    if (found !== 'none' && found !== type)
      throw new UserError(
        `the Redis key ${key} holds a ${found} of another application: choose another --redis-prefix`,
      );
  }
}

/** Redis may be told to forget keys when it is full; then it may forget a rollback, which every replica's disk remembers. */
async function warnOfEviction(connections: Connections, onTrouble: (error: Error) => void): Promise<void> {
  const info = await connections.use('memory_read', (client) => client.info('memory')).catch(() => ''); // reported by `use`
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy?.startsWith('allkeys-'))
    onTrouble(new Error(`Redis may evict what Sluice stores (maxmemory-policy ${policy}); noeviction is safe`));
}
