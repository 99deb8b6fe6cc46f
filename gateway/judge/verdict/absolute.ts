// Is a rate above, or below, a limit? Both anytime-valid: one may look after every request and stop when one likes.
import { logMean } from '../evidence/mixture.ts';
import type { Hits } from '../evidence/tally.ts';

/** Rates considered above the limit, in multiples of it, and those considered below. */
const ABOVE = [1.25, 1.5, 2, 3, 5, 10, 20];
const BELOW = [0.8, 0.5, 0.25, 0.1, 0];
const HIGHEST = 0.95;

/**
 * Log-likelihood ratio of each rate considered against the limit. The mean of their exponentials is an e-value: at most 1
 * on average while the rate is at most `limit`, which lies between 0 and 0.95.
 */
export function evidenceAbove({ trials, hits }: Hits, limit: number): number[] {
  return ABOVE.map((times) => logRatio(hits, trials, Math.min(HIGHEST, times * limit), limit));
}

/** Logarithm of an e-value: at most 1 on average while the rate is at least `limit`. */
export function logBelow({ trials, hits }: Hits, limit: number): number {
  return logMean(BELOW.map((times) => logRatio(hits, trials, times * limit, limit)));
}

/** A rate that the true one never exceeds, however often one looks, but with probability `risk`; 1 when nothing is known. */
export function upperBound(hits: Hits, risk: number): number {
  const needed = -Math.log(risk);
  let [low, high] = [hits.trials === 0 ? 1 : hits.hits / hits.trials, 1];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (logBelow(hits, middle) >= needed) high = middle;
    else low = middle;
  }
  return high;
}

function logRatio(hits: number, trials: number, rate: number, limit: number): number {
  return times(hits, Math.log(rate / limit)) + times(trials - hits, Math.log((1 - rate) / (1 - limit)));
}

/** 0 times an infinite logarithm is nothing here: what cannot happen did not happen. */
function times(count: number, log: number): number {
  return count === 0 ? 0 : count * log;
}
