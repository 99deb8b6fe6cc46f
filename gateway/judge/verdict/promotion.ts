// What speaks for a candidate. Evidence that it is no worse is more than no evidence that it is.
import { addHits, type Hits, NOTHING } from '../evidence/tally.ts';
import { logBelow } from './absolute.ts';

/** Probability of promoting a candidate that fails as much more often as is not tolerated. */
const RISK = 0.05;

/** Errors too few to compare, and no ceiling in the policy: then the error rate must be shown to be below this. */
const CEILING = 0.01;

export type Promotion = {
  /** Logarithm of the e-value against "it fails `ratio` times as often as the baseline, or more". */
  readonly log: number;
  /** What `log` would be on average by now, did it fail just as often as the baseline. */
  readonly expected: number;
  /** The candidate's requests and errors over the whole rollout. */
  readonly counted: Hits;
};

export const NO_PROMOTION: Promotion = { log: 0, expected: 0, counted: NOTHING };

/** Units that failed for the first time in this minute, in both arms, and the part of the units that the candidate had. */
export type Failed = {
  readonly mine: number;
  readonly theirs: number;
  readonly coin: number;
  /** How many times as often the candidate may fail. */
  readonly ratio: number;
  /** The candidate's requests, and those of them that failed. */
  readonly counted: Hits;
};

/** The evidence with one more tick. */
export function addEvidence(promotion: Promotion, { mine, theirs, coin, ratio, counted }: Failed): Promotion {
  const all = mine + theirs;
  const sum = addHits(promotion.counted, counted);
  // At 100 % nobody is on the baseline: nothing is compared, and the candidate's own rate is seen all the same.
  if (all === 0 || coin === 0) return { ...promotion, counted: sum };
  return {
    log: promotion.log + logNoWorse(mine, all, coin, ratio),
    expected: promotion.expected + logNoWorse(all * coin, all, coin, ratio),
    counted: sum,
  };
}

/**
 * Whether the candidate may be promoted: it is shown to fail less than `ratio` times as often as the baseline or, as long
 * as even a good one could not have been shown that by so few errors, that its error rate is below the ceiling.
 */
export function isNoWorse(
  { log, expected, counted }: Promotion,
  ceiling = CEILING,
): 'compared' | 'below ceiling' | 'not yet' {
  const needed = -Math.log(RISK);
  if (log >= needed) return 'compared';
  return expected < needed && logBelow(counted, ceiling) >= needed ? 'below ceiling' : 'not yet';
}

/** Log-likelihood ratio of "as often as the baseline" against "`ratio` times as often", for `hits` of `all` errors. */
export function logNoWorse(hits: number, all: number, coin: number, ratio: number): number {
  const bad = (ratio * coin) / (1 - coin + ratio * coin);
  const [mine, others] = [hits, all - hits];
  return (
    (mine === 0 ? 0 : mine * Math.log(coin / bad)) + (others === 0 ? 0 : others * Math.log((1 - coin) / (1 - bad)))
  );
}
