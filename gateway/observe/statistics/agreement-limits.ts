/** Sums of differences, which add up over comparisons. */
export type DifferenceSums = { readonly count: number; readonly sum: number; readonly sumSquares: number };

/** Bias and spread of paired differences, in the unit of the values. */
export type AgreementLimits = {
  readonly bias: number;
  readonly sd: number;
  readonly low: number;
  readonly high: number;
};

/**
 * Limits of agreement (Bland and Altman 1986): bias -+ 1.96 sample standard deviations, between which about 95 % of the
 * differences lie. Undefined for fewer than two.
 */
export function agreementLimits({ count, sum, sumSquares }: DifferenceSums): AgreementLimits | undefined {
  if (count < 2) return undefined;
  const bias = sum / count;
  const sd = Math.sqrt(Math.max(0, sumSquares - count * bias * bias) / (count - 1));
  return { bias, sd, low: bias - 1.96 * sd, high: bias + 1.96 * sd };
}
