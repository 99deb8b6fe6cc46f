import type { Output } from '../../../model-server/protocol/answer.ts';
import type { DetailOf } from '../comparison.ts';
import { numbersOf } from '../output.ts';
import type { CompareSpec } from '../spec.ts';
import type { Compared } from './classification.ts';

const DEFAULT_TOLERANCE = 0.001;

/**
 * Vectors, one a row; of one dimension the whole output is one vector. Same when 1 - cosine is at most the tolerance (0.001)
 * in every row. Distance is 1 - cosine, averaged over rows; the norm ratio is candidate by baseline.
 */
export function compareEmbeddings(
  baseline: Output,
  candidate: Output,
  spec: Pick<CompareSpec, 'tolerance'>,
): Compared<DetailOf<'embedding'>> {
  const [a, b] = [numbersOf(baseline), numbersOf(candidate)];
  const width = baseline.shape.at(-1) ?? 1;
  const tolerance = spec.tolerance ?? DEFAULT_TOLERANCE;
  let rows = 0;
  let cosines = 0;
  let ratios = 0;
  let same = true;
  for (let start = 0; start < a.length; start += width) {
    const { cosine, ratio } = angle(a, b, start, width);
    rows++;
    cosines += cosine;
    ratios += ratio;
    same &&= 1 - cosine <= tolerance;
  }
  const cosine = rows === 0 ? 1 : cosines / rows;
  return { as: 'embedding', same, distance: 1 - cosine, cosine, normRatio: rows === 0 ? 1 : ratios / rows };
}

/** A vector that is not longer has no direction: it is what is left of zero after rounding. */
const NO_LENGTH = 1e-8;

/**
 * Cosine and norm ratio of one row. Places that are NaN, or the same infinity, in both are left out; with one that is in one
 * of them alone the cosine is 0. So it is beside a vector without length, but that two of these are the same.
 */
function angle(a: ArrayLike<number>, b: ArrayLike<number>, start: number, width: number) {
  const largest = largestOf(a, b, start, width);
  let dot = 0;
  let squareA = 0;
  let squareB = 0;
  for (let i = start; i < start + width; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    if (!Number.isFinite(x) && Object.is(x, y)) continue;
    // Scaled: the squares of 1e200 would be infinite.
    dot += (x / largest) * (y / largest);
    squareA += (x / largest) ** 2;
    squareB += (y / largest) ** 2;
  }
  const [lengthA, lengthB] = [Math.sqrt(squareA), Math.sqrt(squareB)];
  if (!(lengthA * largest > NO_LENGTH) && !(lengthB * largest > NO_LENGTH) && !Number.isNaN(dot))
    return { cosine: 1, ratio: 1 };
  const cosine = dot / (lengthA * lengthB);
  const ratio = lengthB / lengthA;
  return { cosine: Number.isFinite(cosine) ? cosine : 0, ratio: Number.isFinite(ratio) ? ratio : 0 };
}

/** The largest finite size in two rows; 1 where there is none, by which anything can be divided. */
function largestOf(a: ArrayLike<number>, b: ArrayLike<number>, start: number, width: number): number {
  let largest = 0;
  for (const values of [a, b])
    for (let i = start; i < start + width; i++) {
      const size = Math.abs(values[i] ?? 0);
      if (size > largest && size < Number.POSITIVE_INFINITY) largest = size;
    }
  return largest === 0 ? 1 : largest;
}
