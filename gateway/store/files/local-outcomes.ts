import type { OutcomeWindows, VersionCounts, WindowCounts } from '../store.ts';

/** Counts of outcomes by second, of this gateway alone. */
export class LocalOutcomes implements OutcomeWindows {
  readonly #keepMs: number;
  readonly #models = new Map<string, Map<number, VersionCounts>>();

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  put(model: string, second: number, counts: VersionCounts): void {
    const seconds = this.#models.get(model) ?? new Map<number, VersionCounts>();
    this.#models.set(model, seconds);
    seconds.set(second, counts);
    for (const oldest of seconds.keys()) {
      if (oldest * 1000 >= second * 1000 - this.#keepMs) break;
      seconds.delete(oldest);
    }
  }

  async read(model: string, from: number, to: number): Promise<readonly WindowCounts[]> {
    const seconds = [...(this.#models.get(model) ?? [])].filter(([second]) => second >= from && second < to);
    return seconds.map(([second, counts]) => ({ second, counts })).sort((a, b) => a.second - b.second);
  }
}
