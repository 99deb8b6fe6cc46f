// What speaks for a candidate. Evidence that it is no worse is more than no evidence that it is.
import { logBelow } from './absolute.ts';
import { addHits, type Hits, NOTHING, type Signal } from './tally.ts';
import { hitsOf, type Pair, shareOf, strataOf } from './versus-baseline.ts';

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

/** The evidence with one more tick. */
export function addEvidence(promotion: Promotion, candidate: Signal, baseline: Signal, ratio: number): Promotion {
  const pairs = strataOf(candidate, baseline);
  return {
    log: pairs.reduce(
      (sum, pair) => sum + logNoWorse(pair.candidate.hits, hitsOf(pair), shareOf(pair), ratio),
      promotion.log,
    ),
    expected: pairs.reduce((sum, pair) => sum + expectedLog(pair, ratio), promotion.expected),
    counted: addHits(promotion.counted, candidate.counted),
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
export function logNoWorse(hits: number, all: number, share: number, ratio: number): number {
  const bad = (ratio * share) / (1 - share + ratio * share);
  const [mine, others] = [hits, all - hits];
  return (
    (mine === 0 ? 0 : mine * Math.log(share / bad)) + (others === 0 ? 0 : others * Math.log((1 - share) / (1 - bad)))
  );
}

function expectedLog(pair: Pair, ratio: number): number {
  const [all, share] = [hitsOf(pair), shareOf(pair)];
  return logNoWorse(all * share, all, share, ratio);
}
