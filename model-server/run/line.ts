/** Who waits, by priority (1 is first) and in order of arrival within one. */
export class Line<T extends { readonly priority: number }> {
  #waiting: T[] = [];

  /** How many wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Everybody, the next one first. */
  get all(): readonly T[] {
    return this.#waiting;
  }

  /** Puts somebody behind all of the same or a smaller priority number. */
  join(item: T): void {
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1]?.priority ?? 0) > item.priority) {
      at--;
    }
    this.#waiting.splice(at, 0, item);
  }

  /** Takes somebody out who gives up; says whether they were still in. */
  leave(item: T): boolean {
    const at = this.#waiting.indexOf(item);
    if (at >= 0) {
      this.#waiting.splice(at, 1);
    }
    return at >= 0;
  }

  /** Takes those out whose turn has come. */
  take(items: readonly T[]): void {
    const taken = new Set(items);
    this.#waiting = this.#waiting.filter((item) => !taken.has(item));
  }

  /** Takes everybody out. */
  empty(): readonly T[] {
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }
}
