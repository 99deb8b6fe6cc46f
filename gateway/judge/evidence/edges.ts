import { type Histogram, quantileOf, sizeOf } from './histogram.ts';

/** Parts of the baseline's answers that are faster than each edge. */
export const QUANTILES: readonly number[] = [0.95, 0.99];
const ENOUGH = 500;
/** An edge follows the baseline only when it has moved by this much: gateways that see alike then ask alike. */
const STEP = 1.1;

/**
 * Where "slower than" is asked, in milliseconds, rising: quantiles of the baseline from before the data that is judged, on a
 * logarithmic grid that all gateways share. None while the baseline has answered too little.
 */
export function edgesOf(baseline: Histogram): readonly number[] {
  if (sizeOf(baseline) < ENOUGH) return [];
  return QUANTILES.map((p) => onGrid(quantileOf(baseline, p) ?? 0));
}

function onGrid(ms: number): number {
  return STEP ** Math.ceil(Math.log(Math.max(ms, 1e-3)) / Math.log(STEP));
}
