/**
 * Tokens that come with requests: each brings a part of one, up to `burst` of them wait. Whoever takes one before it acts has
 * acted at most share x requests + burst times, over any stretch of time.
 */
export class TokenBucket {
  #share: number;
  #burst: number;
  #tokens: number;

  constructor(share: number, burst: number) {
    this.#share = share;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Takes over other limits; what waits stays, as far as it fits. */
  limit(share: number, burst: number): void {
    this.#share = share;
    this.#burst = burst;
    this.#tokens = Math.min(this.#tokens, burst);
  }

  /** A request came. */
  deposit(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + this.#share);
  }

  hasToken(): boolean {
    // Shares such as 0.1 are no exact sums in binary.
    return this.#tokens >= 1 - 1e-9;
  }

  take(): void {
    this.#tokens -= 1;
  }
}
