// The store that replicas share. Redis is never waited for by a request; what only this machine may decide, a rollback, is
// on its own disk first.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../../errors.ts';
import type { LocalAudit } from '../local-audit.ts';
import type { LocalOrders } from '../local-orders.ts';
import type { LocalRollouts } from '../local-rollouts.ts';
import { DEFAULT_RETENTION, type Retention } from '../retention.ts';
import type { Store, StoreHealth } from '../store.ts';
import type { RedisAddress } from './address.ts';
import { type Client, Connections } from './connections.ts';
import { fixedKeys, type RedisKeys, redisKeys } from './keys.ts';
import { SharedAudit } from './shared-audit.ts';
import { SharedComparisons } from './shared-comparisons.ts';
import { SharedExperiments } from './shared-experiments.ts';
import { SharedOrders } from './shared-orders.ts';
import { SharedOutcomes } from './shared-outcomes.ts';
import { SharedRollouts } from './shared-rollouts.ts';
import { Writer } from './writer.ts';

/** A start waits this long for Redis, and then goes on without. */
const FIRST_CONNECT_MS = 1000;
const CLOCK_MS = 30_000;

export type RedisStoreOptions = {
  readonly address: RedisAddress;
  readonly prefix: string;
  /** What must survive without Redis. */
  readonly local: { readonly rollouts: LocalRollouts; readonly orders: LocalOrders; readonly audit: LocalAudit };
  readonly retention?: Retention;
  readonly onTrouble?: (error: Error) => void;
};

/** Opens a store in Redis, whether or not Redis can be reached now. Throws UserError for keys that another application has. */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const { address, prefix, local, retention = DEFAULT_RETENTION, onTrouble = () => {} } = options;
  const keys = redisKeys(prefix);
  const connections = new Connections(address);
  const replica = randomUUID();
  const clock = new SharedClock(connections);
  const writer = new Writer({ connections, appliedKey: keys.applied(replica), onTrouble });
  const comparisons = new SharedComparisons({ connections, keys, writer, retention, now: clock.now });
  const experiments = new SharedExperiments({ connections, keys, writer, keepMs: retention.experimentsMs });
  const outcomes = new SharedOutcomes({ connections, keys, replica, keepMs: retention.windowsMs });
  await Promise.race([connections.allReady(), sleep(FIRST_CONNECT_MS, undefined, { ref: false })]);
  if (connections.reason() === undefined) {
    await checkKeys(connections.control, keys).catch((error: unknown) => {
      connections.close();
      throw error;
    });
  }
  connections.onReady(() => {
    writer.wake();
    experiments.republish();
    void outcomes.flush();
    // Redis may have come only now, after the check that a start makes.
    void checkKeys(connections.control, keys).catch(onTrouble);
    void warnOfEviction(connections.control, onTrouble);
  });
  return {
    comparisons,
    outcomes,
    experiments,
    rollouts: new SharedRollouts({ connections, keys, local: local.rollouts, onTrouble }),
    shadowOrders: new SharedOrders({ connections, keys, local: local.orders, now: clock.now }),
    audit: new SharedAudit({ connections, keys, writer, local: local.audit, keep: retention.audit }),
    now: clock.now,
    health: () => healthOf(connections, writer, local.rollouts.trouble()),
    close: async (withinMs = 1000) => {
      await writer.close(withinMs);
      clock.stop();
      connections.close();
    },
  };
}

function healthOf(connections: Connections, writer: Writer, disk: string | undefined): StoreHealth {
  const reason = connections.reason() ?? writer.reason() ?? disk;
  return { kind: 'redis', up: reason === undefined, reason, counters: writer.counters() };
}

/** Throws UserError when a key of ours holds something that is not ours. */
async function checkKeys(client: Client, keys: RedisKeys): Promise<void> {
  for (const [key, type] of fixedKeys(keys)) {
    const found = await client.type(key).catch(() => 'none');
    if (found !== 'none' && found !== type)
      throw new UserError(
        `the Redis key ${key} holds a ${found} of another application: choose another --redis-prefix`,
      );
  }
}

/** Redis may be told to forget keys when it is full; then it may forget a rollback, which every replica's disk remembers. */
async function warnOfEviction(client: Client, onTrouble: (error: Error) => void): Promise<void> {
  const info = await client.info('memory').catch(() => '');
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy?.startsWith('allkeys-'))
    onTrouble(new Error(`Redis may evict what Sluice stores (maxmemory-policy ${policy}); noeviction is safe`));
}

/** Redis's clock, by the offset of this machine's. */
class SharedClock {
  readonly #connections: Connections;
  readonly #timer: NodeJS.Timeout;
  #offsetMs = 0;

  constructor(connections: Connections) {
    this.#connections = connections;
    connections.onReady(() => void this.#measure());
    this.#timer = setInterval(() => void this.#measure(), CLOCK_MS).unref();
  }

  readonly now = (): number => Date.now() + this.#offsetMs;

  stop(): void {
    clearInterval(this.#timer);
  }

  async #measure(): Promise<void> {
    const asked = Date.now();
    const [seconds, micros] = await this.#connections.control.time().catch(() => [undefined, undefined] as const);
    if (seconds === undefined || micros === undefined) return;
    // The answer is about half a round trip old.
    this.#offsetMs = Number(seconds) * 1000 + Number(micros) / 1000 - (asked + Date.now()) / 2;
  }
}
