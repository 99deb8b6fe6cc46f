import type { KeptText } from '../compare/batch.ts';

const MAX_ENTRIES = 2000;
const MAX_BYTES = 8 * 1024 * 1024;

/** Values of bodies that a policy lets be kept, until their time is over. In memory only: the embedded store never writes them to disk. */
export class KeptValues {
  readonly #entries = new Map<string, { readonly text: string; readonly until: number }>();
  #bytes = 0;

  /** Keeps values, and forgets the oldest when there are too many. */
  add({ id, text, ttlMs }: KeptText, now: number): void {
    this.#forget(id);
    this.#entries.set(id, { text, until: now + ttlMs });
    this.#bytes += text.length;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES && this.#bytes <= MAX_BYTES) break;
      this.#forget(oldest);
    }
  }

  get(id: string, now: number): string | undefined {
    const entry = this.#entries.get(id);
    return entry !== undefined && entry.until > now ? entry.text : undefined;
  }

  expire(now: number): void {
    for (const [id, { until }] of this.#entries) if (until <= now) this.#forget(id);
  }

  #forget(id: string): void {
    this.#bytes -= this.#entries.get(id)?.text.length ?? 0;
    this.#entries.delete(id);
  }
}
