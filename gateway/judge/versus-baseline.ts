// Is the candidate hit more often than the baseline at the same time? Given that some requests were hit, each was the
// candidate's with probability theta(r) = r s / (1 - s + r s), where s is its share of those at risk and r how many times
// more often it is hit. How often that is, and any trouble that both have, drops out. (Lindon & Malek, NeurIPS 2022;
// the stratified form is the safe logrank test of Grünwald et al.)
import { addVectors } from './mixture.ts';
import type { Hits, Signal } from './tally.ts';

/** What is considered, in multiples of the tolerated ratio; all equally likely beforehand. */
const RATIOS = [1.25, 1.5, 2, 3, 5, 10, 20, 50];

export type Pair = { readonly candidate: Hits; readonly baseline: Hits };

/**
 * Log-likelihood ratio of each ratio considered against the tolerated one, for `hits` of the candidate among `all` hits
 * while its share was `share`. The mean of their exponentials is an e-value: at most 1 on average while the candidate is
 * hit no more than `tolerated` times as often.
 */
export function logRatios(hits: number, all: number, share: number, tolerated: number): number[] {
  const expected = 1 - share + tolerated * share;
  return RATIOS.map((times) => {
    const ratio = times * tolerated;
    return hits * Math.log(times) - all * Math.log((1 - share + ratio * share) / expected);
  });
}

/** The same from a tick, callers and requests without a caller apart, for one of them may be on one side alone. */
export function evidenceVersus(candidate: Signal, baseline: Signal, tolerated: number): number[] {
  return strataOf(candidate, baseline).reduce(
    (sum, pair) => addVectors(sum, logRatios(pair.candidate.hits, hitsOf(pair), shareOf(pair), tolerated)),
    RATIOS.map(() => 0),
  );
}

/** The two strata, without those in which one side is alone: they cannot tell anything. */
export function strataOf(candidate: Signal, baseline: Signal): Pair[] {
  return (['unit', 'request'] as const)
    .map((stratum) => ({ candidate: candidate[stratum], baseline: baseline[stratum] }))
    .filter((pair) => pair.candidate.trials > 0 && pair.baseline.trials > 0);
}

export function hitsOf({ candidate, baseline }: Pair): number {
  return candidate.hits + baseline.hits;
}

export function shareOf({ candidate, baseline }: Pair): number {
  return candidate.trials / (candidate.trials + baseline.trials);
}
