// Shadow comparisons: how often candidate and baseline say different things, beyond how often the baseline differs from
// itself. These counters speak to this guard and to promotion alone, never to errors or latency.
import { evidenceAbove, upperBound } from '../verdict/absolute.ts';
import { addHits, areSound, type Hits, NOTHING } from './tally.ts';

/** Comparisons of one tick, and those that differed. */
export type Comparisons = {
  readonly raw: Hits;
  /** The baseline asked twice. */
  readonly noise: Hits;
};

export const NO_COMPARISONS: Comparisons = { raw: NOTHING, noise: NOTHING };

export function addComparisons(a: Comparisons, b: Comparisons): Comparisons {
  return { raw: addHits(a.raw, b.raw), noise: addHits(a.noise, b.noise) };
}

export function areComparable({ raw, noise }: Comparisons): boolean {
  return areSound(raw) && areSound(noise);
}

/** Disagreement above the noise floor as it looks; undefined before anything was compared. */
export function excessOf({ raw, noise }: Comparisons): number | undefined {
  if (raw.trials === 0) return undefined;
  return raw.hits / raw.trials - (noise.trials === 0 ? 0 : noise.hits / noise.trials);
}

/**
 * Evidence of a tick that the disagreement exceeds the noise floor by more than `ceiling`. The floor is taken as high as it
 * may be by what was known before the tick; without a measured floor nothing can be said, and this is empty.
 */
export function evidenceOfExcess(tick: Hits, before: Comparisons, ceiling: number, risk: number): number[] {
  if (tick.trials === 0 || before.noise.trials === 0) return [];
  const limit = upperBound(before.noise, risk) + ceiling;
  return limit < 0.95 ? evidenceAbove(tick, limit) : [];
}
