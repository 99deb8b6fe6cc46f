import type { Signal } from './tally.ts';

/** Callers that are remembered before the minute ends early. */
const FULL = 200_000;
/** Beyond this, in a tick that does not end, no one new is listened to. */
const MOST = 2 * FULL;

/**
 * Counts how many reach each of some rising levels (failed, or slower than each edge), a caller once a minute per level:
 * whoever fails tries again, and ten failures of one caller are no ten failures. Memory is bounded.
 */
export class Levels {
  /** The highest level of each caller in this minute. */
  readonly #units = new Map<string, number>();
  readonly #levels: Level[];

  constructor(levels: number) {
    this.#levels = Array.from({ length: levels }, () => ({ reached: 0, ...freshTick() }));
  }

  /**
   * One request that reached the first `level` levels and of which the first `known` are known; beyond them it does not
   * count. Tells whether it was a hit of any level.
   */
  count(unit: string | undefined, level: number, known = this.#levels.length): boolean {
    if (this.#levels.length === 0) return false;
    const before = unit === undefined ? 0 : this.#units.get(unit);
    if (unit !== undefined && before === undefined && this.#units.size >= MOST) return false;
    for (let i = before ?? 0; i < known; i++) {
      const at = this.#levels[i];
      if (at === undefined) break;
      at.counted++;
      if (unit === undefined) at.requests++;
      if (i >= level) continue;
      at.hits++;
      if (unit === undefined) at.requestHits++;
    }
    if (unit !== undefined) this.#units.set(unit, Math.max(before ?? 0, level));
    return level > (before ?? 0);
  }

  /** Ends the tick: what was counted at each level. */
  take(): readonly Signal[] {
    return this.#levels.map((level) => {
      const { counted, hits, requests, requestHits, reached } = level;
      const unit = { trials: this.#units.size - reached, hits: hits - requestHits };
      Object.assign(level, { reached: reached + unit.hits, ...freshTick() });
      return {
        // Also who is quiet in this tick is at risk: the risk sets of survival analysis, exact whoever asks how often.
        unit,
        request: { trials: requests, hits: requestHits },
        counted: { trials: counted, hits },
      };
    });
  }

  get isFull(): boolean {
    return this.#units.size >= FULL;
  }

  /** Ends the minute, between two ticks: everyone counts again. */
  forget(): void {
    this.#units.clear();
    for (const level of this.#levels) level.reached = 0;
  }
}

/** `reached` are the callers that were hit in earlier ticks of this minute. */
type Level = Tick & { reached: number };
type Tick = { counted: number; hits: number; requests: number; requestHits: number };

function freshTick(): Tick {
  return { counted: 0, hits: 0, requests: 0, requestHits: 0 };
}
