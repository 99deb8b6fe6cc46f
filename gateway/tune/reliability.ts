// How far claims of confidence can be trusted.
import type { Claim } from './fit.ts';

/** Claims of about one confidence. */
export type Bin = {
  readonly from: number;
  readonly to: number;
  readonly count: number;
  /** Means over the bin's claims. */
  readonly confidence: number;
  readonly right: number;
};

export type Reliability = {
  readonly count: number;
  /** Only bins with claims, from the least confident up. */
  readonly bins: readonly Bin[];
  /** Expected calibration error: the mean of |right - confidence| over claims, by bin (Guo et al., ICML 2017). */
  readonly ece: number;
  /** Mean squared error of the confidence as a probability of being right (Brier 1950). */
  readonly brier: number;
};

/** Fifteen bins of equal width, as Guo et al. have them. */
const BINS = 15;

export function reliabilityOf(claims: readonly Claim[]): Reliability {
  const sums = Array.from({ length: BINS }, () => ({ count: 0, confidence: 0, right: 0 }));
  let squares = 0;
  for (const { confidence, isRight } of claims) {
    const sum = sums[Math.min(BINS - 1, Math.floor(confidence * BINS))];
    if (sum === undefined) continue;
    sum.count++;
    sum.confidence += confidence;
    sum.right += Number(isRight);
    squares += (confidence - Number(isRight)) ** 2;
  }
  const bins = sums.flatMap(({ count, confidence, right }, i) =>
    count === 0
      ? []
      : [{ from: i / BINS, to: (i + 1) / BINS, count, confidence: confidence / count, right: right / count }],
  );
  const total = Math.max(1, claims.length);
  return {
    count: claims.length,
    bins,
    ece: bins.reduce((sum, bin) => sum + bin.count * Math.abs(bin.right - bin.confidence), 0) / total,
    brier: squares / total,
  };
}
