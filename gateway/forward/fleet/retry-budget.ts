/** What is saved up for a bad moment; the first requests have it on credit, so that a quiet model gets its retry too. */
const MOST_SAVED = 10;

/**
 * How many requests of a version may be sent once more: a share of all, so that retries cannot multiply an outage (Google's
 * SRE book, chapter 22; Finagle's RetryBudget). At any time repeats <= max(10, share x requests).
 */
export class RetryBudget {
  readonly #share: number;
  #saved: number;
  #owed: number;

  /** `share` of 0 allows no repeat at all. */
  constructor(share: number) {
    this.#share = share;
    this.#saved = share > 0 ? MOST_SAVED : 0;
    this.#owed = this.#saved;
  }

  /** A request came in. */
  deposit(): void {
    if (this.#owed > 0) this.#owed -= this.#share;
    else this.#saved = Math.min(MOST_SAVED, this.#saved + this.#share);
  }

  /** Takes a repeat out of the budget; false when there is none. */
  withdraw(): boolean {
    if (this.#saved < 1) return false;
    this.#saved--;
    return true;
  }
}
