export type QueueOptions<T> = {
  readonly maxEntries: number;
  readonly maxBytes: number;
  readonly bytesOf: (entry: T) => number;
};

/** A queue with bounds: what does not fit pushes the oldest out, and every one pushed out is counted. */
export class Queue<T> {
  readonly #options: QueueOptions<T>;
  #entries: ({ readonly entry: T; readonly bytes: number } | undefined)[] = [];
  /** Entries before this one are gone: shifting an array of thousands each time would copy it. */
  #head = 0;
  #bytes = 0;
  #dropped = 0;

  constructor(options: QueueOptions<T>) {
    this.#options = options;
  }

  get length(): number {
    return this.#entries.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Entries pushed out so far. */
  get dropped(): number {
    return this.#dropped;
  }

  push(entry: T): void {
    const bytes = this.#options.bytesOf(entry);
    this.#entries.push({ entry, bytes });
    this.#bytes += bytes;
    while (this.length > this.#options.maxEntries || (this.#bytes > this.#options.maxBytes && this.length > 0)) {
      this.#shift();
      this.#dropped++;
    }
  }

  /** Takes the oldest: at least one, and no more than these bounds. */
  take(maxEntries: number, maxBytes: number): T[] {
    const taken: T[] = [];
    let bytes = 0;
    while (this.length > 0 && taken.length < maxEntries) {
      const next = this.#entries[this.#head];
      if (next === undefined || (taken.length > 0 && bytes + next.bytes > maxBytes)) break;
      bytes += next.bytes;
      taken.push(next.entry);
      this.#shift();
    }
    return taken;
  }

  #shift(): void {
    this.#bytes -= this.#entries[this.#head]?.bytes ?? 0;
    this.#entries[this.#head++] = undefined; // so that its memory goes
    if (this.#head < 1024 && this.#head < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
