import type { Output } from '../../../model-server/protocol/answer.ts';
import { ExactSum } from '../../statistics/exact-sum.ts';
import type { DetailOf } from '../comparison.ts';
import { numbersOf } from '../output.ts';
import type { CompareSpec } from '../spec.ts';
import type { Compared } from './classification.ts';

/** Without a tolerance of its own a number may differ by one part in a hundred of the baseline's. */
const DEFAULT_RELATIVE = 0.01;
/** And by this much in any case: beside 0 the relative part is 0, and rounding leaves a rest. */
const DEFAULT_ABSOLUTE = 1e-8;

/**
 * Numbers. Same when every |candidate - baseline| is at most the tolerance; without one at most 1e-8 plus 1 % of
 * |baseline| (as numpy.isclose with rtol 0.01 and its own atol): models whose numbers are that small need a tolerance. Two NaN are the same, and so are two equal infinities. Distance is the mean
 * of the finite |delta|.
 */
export function compareNumbers(
  baseline: Output,
  candidate: Output,
  spec: Pick<CompareSpec, 'tolerance'>,
): Compared<DetailOf<'regression'>> {
  const [a, b] = [numbersOf(baseline), numbersOf(candidate)];
  const [deltas, squares] = [new ExactSum(), new ExactSum()];
  let count = a.length;
  const sums = { sumAbs: 0, sumRelative: 0, maxAbs: 0, outside: 0, nonFinite: 0 };
  for (let i = 0; i < a.length; i++) {
    const base = a[i] ?? Number.NaN;
    const delta = (b[i] ?? Number.NaN) - base;
    if (!Number.isFinite(delta)) {
      if (Object.is(base, b[i])) {
        count--;
        continue;
      }
      sums.nonFinite++;
      sums.outside++;
      continue;
    }
    const size = Math.abs(delta);
    deltas.add(delta);
    sums.sumAbs += size;
    squares.addSquare(delta);
    if (Math.abs(base) > DEFAULT_ABSOLUTE) sums.sumRelative += size / Math.abs(base);
    if (size > sums.maxAbs) sums.maxAbs = size;
    if (size > (spec.tolerance ?? DEFAULT_ABSOLUTE + DEFAULT_RELATIVE * Math.abs(base))) sums.outside++;
  }
  const finite = count - sums.nonFinite;
  const distance = finite === 0 ? 0 : sums.sumAbs / finite;
  const ofDeltas = { sum: deltas.sum, sumRest: deltas.rest, sumSquares: squares.sum, sumSquaresRest: squares.rest };
  return { as: 'regression', same: sums.outside === 0, distance, count, ...ofDeltas, ...sums };
}
