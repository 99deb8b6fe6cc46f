import { Z_95 } from './proportion.ts';

/**
 * Two-sided 95 % of Student's distribution, by its expansion around the normal one (Abramowitz and Stegun 26.7.5, three
 * terms): within 0.001 from five degrees of freedom on, too small below.
 */
export function student95(degrees: number): number {
  const z = Z_95;
  const v = Math.max(1, degrees);
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + first / v + second / v ** 2 + third / v ** 3;
}
