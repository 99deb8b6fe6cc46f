// What people ordered of shadows, on this machine's disk. Orders are joined by their time, the latest of each shadow being
// right, so it makes no difference who hears of what first.
import { z } from 'zod';
import { Damages } from '../damage.ts';
import { entriesIn, type Say } from '../foreign.ts';
import type { ShadowOrders } from '../store.ts';
import { readDataFile } from './data-files.ts';
import { KeptFile } from './kept-file.ts';

/** `at` is in milliseconds since 1970. */
export type Order = { readonly isPaused: boolean; readonly at: number };

export const ORDER = z.object({ isPaused: z.boolean(), at: z.int() });
/** Older than any that a person gives. */
const OLDEST = 1;

/** Orders in a file, or in memory when there is none. They hold at once; what the file does not have is written at every `refresh`. */
export class LocalOrders implements ShadowOrders {
  readonly #kept: KeptFile<ReadonlyMap<string, Order>>;
  #orders: ReadonlyMap<string, Order> = new Map();

  readonly #damages: Damages;

  constructor(file: string | undefined, damages = new Damages(() => {})) {
    this.#kept = new KeptFile(file, this.#orders, (orders) => Object.fromEntries(orders));
    this.#damages = damages;
  }

  /** Reads the file. Rejects with UserError when the system does not let us read it. */
  async open(): Promise<void> {
    const { file } = this.#kept;
    if (file === undefined) return;
    this.#orders = (await readDataFile(file, readOrders, this.#damages)) ?? new Map();
    this.#kept.found(this.#orders);
  }

  /** Why the last write failed; undefined while all is well. */
  trouble(): string | undefined {
    return this.#kept.trouble();
  }

  /** The latest of each shadow, `model/shadow`. */
  all(): ReadonlyMap<string, Order> {
    return this.#orders;
  }

  paused(): ReadonlySet<string> {
    return new Set([...this.#orders].flatMap(([shadow, { isPaused }]) => (isPaused ? [shadow] : [])));
  }

  /** Writes what the file does not have yet. Rejects when the disk fails. */
  async refresh(): Promise<ReadonlySet<string>> {
    await this.#kept.save(() => this.#orders);
    return this.paused();
  }

  async order(shadow: string, isPaused: boolean, now = Date.now()): Promise<{ readonly shared: boolean }> {
    // Later than what it takes back, also where clocks differ.
    const at = Math.max(now, (this.#orders.get(shadow)?.at ?? 0) + 1);
    await this.adopt(new Map([[shadow, { isPaused, at }]]));
    return { shared: true };
  }

  /** Takes over orders that are later than those known here. In force when this returns, on disk when it resolves. */
  adopt(orders: ReadonlyMap<string, Order>): Promise<void> {
    const later = [...orders].filter(([shadow, { at }]) => at > (this.#orders.get(shadow)?.at ?? 0));
    if (later.length > 0) this.#orders = new Map([...this.#orders, ...later]);
    return this.#kept.save(() => this.#orders);
  }
}

/** Orders by shadow. A shadow whose order cannot be read is paused until the next one: nothing is copied that a person stopped. */
function readOrders(value: unknown, say: Say): ReadonlyMap<string, Order> {
  if (value === undefined) return new Map();
  const good = new Map(entriesIn(ORDER, value, '', say));
  const names = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
  return new Map(names.map((name) => [name, good.get(name) ?? { isPaused: true, at: OLDEST }]));
}
