import { student95 } from './student.ts';

/** One input's part of the two sums. */
export type Part = { readonly above: number; readonly below: number };

/**
 * 95 % bounds of a ratio of two sums over the same inputs, by linearisation (Cochran 1977, Sampling Techniques, section
 * 6.4). Rare large parts may all be missing in a few inputs, and the bounds would be too narrow, or one and the same: two
 * inputs more, one with the `least` and one with the `most` that an input can bring above, keep room for them, as Agresti
 * and Coull 1998 do for a share. Undefined where there is nothing below.
 */
export function ratioOfSums(
  parts: readonly Part[],
  least: number,
  most: number,
): { readonly low: number; readonly high: number } | undefined {
  const below = parts.reduce((sum, part) => sum + part.below, 0) / parts.length;
  if (!(below > 0)) return undefined;
  const all = [...parts, { above: least, below }, { above: most, below }];
  const ratio = all.reduce((sum, part) => sum + part.above, 0) / (below * all.length);
  const squares = all.reduce((sum, part) => sum + (part.above - ratio * part.below) ** 2, 0);
  const error = Math.sqrt(squares / ((all.length - 1) * all.length)) / below;
  const spread = student95(parts.length - 1) * error;
  return { low: Math.max(0, ratio - spread), high: ratio + spread };
}
