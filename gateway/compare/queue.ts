export type QueueOptions<T> = {
  /** In the unit of `countOf`. */
  readonly maxCount: number;
  readonly maxBytes: number;
  readonly bytesOf: (entry: T) => number;
  /** What an entry counts for; 1 if left out. */
  readonly countOf?: (entry: T) => number;
};

type Held<T> = { readonly entry: T; readonly bytes: number; readonly count: number };

/** A queue with bounds: what does not fit pushes the oldest out, and everything pushed out is counted. */
export class Queue<T> {
  readonly #options: QueueOptions<T>;
  #held: (Held<T> | undefined)[] = [];
  /** Entries before this one are gone: shifting an array of thousands each time would copy it. */
  #head = 0;
  #bytes = 0;
  #count = 0;
  #dropped = 0;

  constructor(options: QueueOptions<T>) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  isEmpty(): boolean {
    return this.#head === this.#held.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The count of everything pushed out so far. */
  get dropped(): number {
    return this.#dropped;
  }

  push(entry: T): void {
    const held = { entry, bytes: this.#options.bytesOf(entry), count: this.#options.countOf?.(entry) ?? 1 };
    this.#held.push(held);
    this.#bytes += held.bytes;
    this.#count += held.count;
    const { maxCount, maxBytes } = this.#options;
    while (this.#count > maxCount || this.#bytes > maxBytes) this.#dropped += this.#shift();
  }

  /** Takes the oldest entries: at least one, and no more than these bounds. */
  take(maxCount: number, maxBytes: number): T[] {
    const taken: T[] = [];
    let bytes = 0;
    let count = 0;
    for (let next = this.#held[this.#head]; next !== undefined; next = this.#held[this.#head]) {
      bytes += next.bytes;
      count += next.count;
      if (taken.length > 0 && (bytes > maxBytes || count > maxCount)) break;
      taken.push(next.entry);
      this.#shift();
    }
    return taken;
  }

  /** Removes the oldest and tells its count. */
  #shift(): number {
    const { bytes = 0, count = 0 } = this.#held[this.#head] ?? {};
    this.#bytes -= bytes;
    this.#count -= count;
    this.#held[this.#head++] = undefined; // so that its memory goes
    if (this.#head >= 1024 || this.#head === this.#held.length) {
      this.#held = this.#held.slice(this.#head);
      this.#head = 0;
    }
    return count;
  }
}

/** What several count for together. */
export function countOf(entries: readonly { readonly count: number }[]): number {
  return entries.reduce((sum, { count }) => sum + count, 0);
}
