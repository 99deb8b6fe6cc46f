// Is the candidate hit more often than the baseline? A step gives units to the candidate by a hash that knows nothing of
// them. So while the versions are alike, a unit that is hit lies in the candidate's part with the probability that the slots
// give it, whatever units are like; if the candidate is hit `r` times as often, with r w / (r w + 1 - w). How often units
// ask, and any trouble that both versions have, drops out. (Lindon & Malek, NeurIPS 2022; safe logrank test of Grünwald et al.)

/** What is considered, in multiples of the tolerated ratio; all equally likely beforehand. */
const RATIOS = [1.25, 1.5, 2, 3, 5, 10, 20, 50];

/**
 * Log-likelihood ratio of each ratio considered against the tolerated one, for `hits` units of the candidate among `all`
 * units that were hit while its part of the units was `coin`. The mean of their exponentials is an e-value: at most 1 on
 * average while the candidate is hit no more than `tolerated` times as often.
 */
export function logRatios(hits: number, all: number, coin: number, tolerated: number): number[] {
  return logsAt(coin, tolerated)(hits, all);
}

/** The same for one coin, worked out beforehand: `(hits, all) => log ratios`. */
export function logsAt(coin: number, tolerated: number): (hits: number, all: number) => number[] {
  const expected = 1 - coin + tolerated * coin;
  const losses = RATIOS.map((times) => Math.log((1 - coin + times * tolerated * coin) / expected));
  return (hits, all) => GAINS.map((gain, i) => hits * gain - all * (losses[i] ?? 0));
}

const GAINS = RATIOS.map(Math.log);
