// What people ordered of shadows, at any replica. Each has all of it on its disk; Redis is where they meet, and is told again
// what it has forgotten.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Damages } from '../damage.ts';
import { type LocalOrders, ORDER, type Order } from '../files/local-orders.ts';
import { type Say, shaped, valueIn } from '../foreign.ts';
import type { ShadowOrders } from '../store.ts';
import type { Connections } from './connections.ts';
import type { RedisKeys } from './keys.ts';

/** Writes an order unless a later one of the same shadow is there; text that is no order is older than any. */
const TELL = `
local text = redis.call('HGET', KEYS[1], ARGV[1])
local isJson, order = pcall(cjson.decode, text or 'null')
local at = isJson and type(order) == 'table' and tonumber(order.at) or 0
if at < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
return 1
`;

/** How long an order waits to hear that the others can see it. */
const TELL_MS = 250;

export type SharedOrdersOptions = {
  readonly connections: Connections;
  readonly keys: RedisKeys;
  readonly local: LocalOrders;
  readonly damages: Damages;
  /** Milliseconds since 1970 on the clock that all replicas share. */
  readonly now: () => number;
};

export class SharedOrders implements ShadowOrders {
  readonly #options: SharedOrdersOptions;

  constructor(options: SharedOrdersOptions) {
    this.#options = options;
  }

  paused(): ReadonlySet<string> {
    return this.#options.local.paused();
  }

  async order(shadow: string, isPaused: boolean): Promise<{ readonly shared: boolean }> {
    const { local, now } = this.#options;
    // Later than the order before it, also where that one was given by a clock that was ahead.
    const at = Math.max(Math.round(now()), (local.all().get(shadow)?.at ?? 0) + 1);
    const saved = local.order(shadow, isPaused, at);
    saved.catch(() => {}); // awaited below, after Redis has it
    const told = this.#tell(shadow, local.all().get(shadow)).then(
      () => true,
      () => false, // reported by `use`, and the next refresh tells it
    );
    const shared = await Promise.race([told, sleep(TELL_MS, false, { ref: false })]);
    await saved;
    return { shared };
  }

  async refresh(): Promise<ReadonlySet<string>> {
    const { connections, keys, local, damages } = this.#options;
    void local.refresh().catch(() => {}); // local.trouble() has the reason
    const texts = await connections.use('orders_read', (client) => client.hgetall(keys.shadowOrders));
    const problems: string[] = [];
    const say = (problem: string) => problems.push(problem);
    const shared = new Map(Object.entries(texts).flatMap(([shadow, text]) => orderIn(shadow, text, say)));
    damages.note(keys.shadowOrders, problems);
    void local.adopt(shared).catch(() => {}); // in force at once, and written again at the next look
    const missing = [...local.all()].filter(([shadow, { at }]) => at > (shared.get(shadow)?.at ?? 0));
    await Promise.all(missing.map(([shadow, order]) => this.#tell(shadow, order)));
    return local.paused();
  }

  async #tell(shadow: string, order: Order | undefined): Promise<void> {
    if (order === undefined) return;
    const { connections, keys } = this.#options;
    const words = [shadow, String(order.at), JSON.stringify(order)];
    await connections.use('orders_write', (client) => client.eval(TELL, 1, keys.shadowOrders, ...words));
  }
}

/** An order that someone wrote wrongly by hand is none. */
function orderIn(shadow: string, text: string, say: Say): (readonly [string, Order])[] {
  const value = valueIn(text, say);
  const order = value === undefined ? undefined : shaped(ORDER, value, shadow, say);
  return order === undefined ? [] : [[shadow, order]];
}
