import { type Histogram, quantileOf, sizeOf } from './histogram.ts';

/** Parts of the baseline's answers that are faster than each edge. */
export const QUANTILES: readonly number[] = [0.5, 0.9, 0.95, 0.99, 0.999];
const ENOUGH = 500;

/**
 * Where "slower than" is asked, in milliseconds, rising: quantiles of the baseline from before the data that is judged.
 * None while the baseline has answered too little.
 */
export function edgesOf(baseline: Histogram): readonly number[] {
  if (sizeOf(baseline) < ENOUGH) return [];
  return QUANTILES.map((p) => quantileOf(baseline, p) ?? 0);
}
