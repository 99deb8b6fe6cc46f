import type { KeptText } from '../compare/batch.ts';

const MAX_ENTRIES = 2000;
const MAX_BYTES = 8 * 1024 * 1024;

/** Which kept values there are, the oldest first, within bounds: callers and servers choose how many, and how long. */
export class KeptOrder {
  readonly #bytes = new Map<string, number>();
  #total = 0;

  /** Takes note of one; those that have to go for it. */
  add(id: string, bytes: number): string[] {
    this.forget(id);
    this.#bytes.set(id, bytes);
    this.#total += bytes;
    const gone: string[] = [];
    for (const oldest of this.#bytes.keys()) {
      if (this.#bytes.size <= MAX_ENTRIES && this.#total <= MAX_BYTES) break;
      this.forget(oldest);
      gone.push(oldest);
    }
    return gone;
  }

  forget(id: string): void {
    this.#total -= this.#bytes.get(id) ?? 0;
    this.#bytes.delete(id);
  }
}

/** Values of bodies that a policy lets be kept, until their time is over. In memory only: the embedded store never writes them to disk. */
export class KeptValues {
  readonly #entries = new Map<string, { readonly text: string; readonly until: number }>();
  readonly #order = new KeptOrder();

  /** Keeps values, and forgets the oldest when there are too many. */
  add({ id, text, ttlMs }: KeptText, now: number): void {
    this.#entries.set(id, { text, until: now + ttlMs });
    for (const gone of this.#order.add(id, text.length)) this.#entries.delete(gone);
  }

  get(id: string, now: number): string | undefined {
    const entry = this.#entries.get(id);
    return entry !== undefined && entry.until > now ? entry.text : undefined;
  }

  expire(now: number): void {
    for (const [id, { until }] of this.#entries) {
      if (until > now) continue;
      this.#entries.delete(id);
      this.#order.forget(id);
    }
  }
}
