/**
 * What waits, the first come first. Not a Set: to one that is filled and emptied without end, V8 gives a new table again and
 * again, each referred to by the one before, and all that they held lives on until the next full collection.
 */
export class Fifo<T> {
  #entries: (T | undefined)[] = [];
  /** Entries before this one are gone. */
  #head = 0;

  get length(): number {
    return this.#entries.length - this.#head;
  }

  get first(): T | undefined {
    return this.#entries[this.#head];
  }

  push(entry: T): void {
    this.#entries.push(entry);
  }

  /** Takes the first; undefined when nothing waits. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const first = this.#entries[this.#head];
    this.#entries[this.#head++] = undefined;
    if (this.length === 0) this.#entries.length = this.#head = 0;
    else if (this.#head >= 1024) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
    return first;
  }
}
