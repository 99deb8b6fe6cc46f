const KEPT = 256;
/** What was seen longer ago says nothing of now: a tier that was frozen gets another chance. */
const RECENT_MS = 10_000;

/** How long requests took lately. Costs two writes a request and a sort of up to 256 numbers a look. */
export class RecentLatency {
  readonly #tookMs = new Float64Array(KEPT);
  readonly #at = new Float64Array(KEPT).fill(Number.NEGATIVE_INFINITY);
  #next = 0;

  add(tookMs: number, now: number): void {
    this.#tookMs[this.#next] = tookMs;
    this.#at[this.#next] = now;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** The 95th percentile in milliseconds, nearest rank; 0 when nothing is known. */
  p95(now: number): number {
    const recent = this.#tookMs.filter((_, i) => now - (this.#at[i] ?? 0) <= RECENT_MS).sort();
    return recent[Math.max(0, Math.ceil(0.95 * recent.length) - 1)] ?? 0;
  }
}
