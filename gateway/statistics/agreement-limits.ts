import { restOfProduct, restOfSum } from './exact-sum.ts';

/** Sums of differences, which add up over comparisons, and what their rounding left out (`exact-sum.ts`). */
export type DifferenceSums = {
  readonly count: number;
  readonly sum: number;
  readonly sumRest?: number;
  readonly sumSquares: number;
  readonly sumSquaresRest?: number;
};

/** Bias and spread of paired differences, in the unit of the values. */
export type AgreementLimits = {
  readonly bias: number;
  readonly sd: number;
  readonly low: number;
  readonly high: number;
};

/**
 * Limits of agreement (Bland and Altman 1986): bias -+ 1.96 sample standard deviations, between which about 95 % of the
 * differences lie. Undefined for fewer than two. With the rests the spread has its digits up to a bias of 1e12 times its size.
 */
export function agreementLimits(sums: DifferenceSums): AgreementLimits | undefined {
  const { count, sum, sumRest = 0 } = sums;
  if (count < 2) return undefined;
  const bias = (sum + sumRest) / count;
  const sd = Math.sqrt(Math.max(0, squaresAroundMean(sums)) / (count - 1));
  return { bias, sd, low: bias - 1.96 * sd, high: bias + 1.96 * sd };
}

/** Sum of squares less sum squared by count, each with its rest: the large parts cancel, and the rests decide. */
function squaresAroundMean({ count, sum, sumRest = 0, sumSquares, sumSquaresRest = 0 }: DifferenceSums): number {
  const total = sum + sumRest;
  const totalRest = restOfSum(sum, sumRest, total);
  const square = total * total;
  const squareRest = restOfProduct(total, total, square) + 2 * total * totalRest;
  const mean = square / count;
  const back = mean * count;
  const meanRest = (square - back - restOfProduct(mean, count, back) + squareRest) / count;
  return sumSquares - mean + (sumSquaresRest - meanRest);
}
