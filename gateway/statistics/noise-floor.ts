import { differenceOf, type Rate, Z_99 } from './proportion.ts';

/** Diffy's thresholds (twitter/diffy): the difference relative to both together, and as a share of all. */
const RELATIVE = 0.2;
const ABSOLUTE = 0.0003;

/**
 * Whether answers differ more than the baseline differs from itself. `unclear`: more, by a size that would matter, but on
 * too little data to say so. `unmeasured`: the baseline was never asked twice. `nothing_compared`: there is no pair to judge by.
 */
export type BeyondNoise = 'yes' | 'no' | 'unclear' | 'unmeasured' | 'nothing_compared';

/**
 * Judges the share of requests that differ against the share that differs when the baseline is asked twice. `yes` takes
 * both: a size that matters, by Diffy's thresholds, and Newcombe's 99 % interval of the difference above 0.
 */
export function beyondNoise(raw: Pick<Rate, 'count' | 'of'>, noise: Pick<Rate, 'count' | 'of'>): BeyondNoise {
  if (raw.of === 0) return 'nothing_compared';
  if (raw.count === 0) return 'no';
  if (noise.of === 0) return 'unmeasured';
  const { relative, absolute } = excessOf(raw, noise);
  if (relative <= RELATIVE || absolute <= ABSOLUTE) return 'no';
  return differenceOf(raw, noise, Z_99).low > 0 ? 'yes' : 'unclear';
}

/** How far raw exceeds noise: absolute as a share of all requests, relative in [-1, 1] as (raw - noise) / (raw + noise). */
export function excessOf(
  raw: Pick<Rate, 'count' | 'of'>,
  noise: Pick<Rate, 'count' | 'of'>,
): { readonly relative: number; readonly absolute: number } {
  const [a, b] = [raw.of === 0 ? 0 : raw.count / raw.of, noise.of === 0 ? 0 : noise.count / noise.of];
  return { relative: a + b === 0 ? 0 : (a - b) / (a + b), absolute: a - b };
}
