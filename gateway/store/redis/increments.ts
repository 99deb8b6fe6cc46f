import { addTo } from '../../statistics/sums.ts';
import type { Command } from './apply-once.ts';

/** Hashes that wait; an hour without Redis takes some dozens a shadow. Beyond, the oldest are lost. */
const MAX_HASHES = 2000;

/** Additions to hashes, gathered: however many come, a field is written once. */
export class Increments {
  readonly #hashes = new Map<string, { readonly ttlMs: number; readonly fields: Map<string, number> }>();

  add(key: string, field: string, by: number, ttlMs: number): void {
    let hash = this.#hashes.get(key);
    if (hash === undefined) {
      hash = { ttlMs, fields: new Map() };
      this.#hashes.set(key, hash);
      const [oldest] = this.#hashes.keys();
      if (this.#hashes.size > MAX_HASHES && oldest !== undefined) this.#hashes.delete(oldest);
    }
    addTo(hash.fields, field, by);
  }

  isEmpty(): boolean {
    return this.#hashes.size === 0;
  }

  /** Takes whole hashes, the oldest first, as commands: at least one hash, and no further than about this many. */
  take(about: number): Command[] {
    const commands: Command[] = [];
    for (const [key, { ttlMs, fields }] of this.#hashes) {
      if (commands.length >= about) break;
      // Also for whole numbers, which stay exact: HINCRBY refuses a field that a fraction was once added to.
      for (const [field, by] of fields) commands.push({ words: ['HINCRBYFLOAT', key, field], last: String(by) });
      commands.push({ words: ['PEXPIRE', key], last: String(ttlMs) });
      this.#hashes.delete(key);
    }
    return commands;
  }
}
