import type { Compared } from './classification.ts';
import type { DetailOf } from './comparison.ts';
import { numbersOf, type Output } from './output.ts';
import type { CompareSpec } from './spec.ts';

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

/** Cosine and norm ratio of one row. A vector with NaN or without length has cosine 0, unless both have none. */
function angle(a: ArrayLike<number>, b: ArrayLike<number>, start: number, width: number) {
  let dot = 0;
  let squareA = 0;
  let squareB = 0;
  for (let i = start; i < start + width; i++) {
    const [x, y] = [a[i] ?? 0, b[i] ?? 0];
    dot += x * y;
    squareA += x * x;
    squareB += y * y;
  }
  if (squareA === 0 && squareB === 0) return { cosine: 1, ratio: 1 };
  const cosine = dot / Math.sqrt(squareA * squareB);
  const ratio = Math.sqrt(squareB / squareA);
  return { cosine: Number.isFinite(cosine) ? cosine : 0, ratio: Number.isFinite(ratio) ? ratio : 0 };
}
