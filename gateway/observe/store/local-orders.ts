// What people ordered of shadows, on this machine's disk. Orders are joined by their time, the latest of each shadow being
// right, so it makes no difference who hears of what first.
import { readJsonFile, replaceFile } from './durable-file.ts';
import type { ShadowOrders } from './store.ts';
import { takingTurns } from './turns.ts';

/** `at` is in milliseconds since 1970. */
export type Order = { readonly isPaused: boolean; readonly at: number };

/** Orders in a file, or in memory when there is none. */
export class LocalOrders implements ShadowOrders {
  readonly #file: string | undefined;
  readonly #inTurn = takingTurns();
  #orders: ReadonlyMap<string, Order> = new Map();

  constructor(file: string | undefined) {
    this.#file = file;
  }

  /** Reads the file. Rejects when it is there and cannot be read. */
  async open(): Promise<void> {
    const kept = this.#file === undefined ? undefined : await readJsonFile(this.#file);
    this.#orders = new Map(Object.entries((kept ?? {}) as Record<string, Order>));
  }

  /** The latest of each shadow, `model/shadow`. */
  all(): ReadonlyMap<string, Order> {
    return this.#orders;
  }

  paused(): ReadonlySet<string> {
    return new Set([...this.#orders].flatMap(([shadow, { isPaused }]) => (isPaused ? [shadow] : [])));
  }

  async refresh(): Promise<ReadonlySet<string>> {
    return this.paused();
  }

  async order(shadow: string, isPaused: boolean, now = Date.now()): Promise<{ readonly shared: boolean }> {
    // Later than what it takes back, also where clocks differ.
    const at = Math.max(now, (this.#orders.get(shadow)?.at ?? 0) + 1);
    await this.adopt(new Map([[shadow, { isPaused, at }]]));
    return { shared: true };
  }

  /** Takes over orders that are later than those known here. On disk when it resolves, in force at once. */
  adopt(orders: ReadonlyMap<string, Order>): Promise<void> {
    const later = [...orders].filter(([shadow, { at }]) => at > (this.#orders.get(shadow)?.at ?? 0));
    if (later.length === 0) return Promise.resolve();
    this.#orders = new Map([...this.#orders, ...later]);
    const text = `${JSON.stringify(Object.fromEntries(this.#orders), null, 1)}\n`;
    const file = this.#file;
    return this.#inTurn(async () => {
      if (file !== undefined) await replaceFile(file, text);
    });
  }
}
