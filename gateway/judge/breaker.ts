import type { Tally } from './tally.ts';

/**
 * Whether so many failures in a row, each of another caller, are the candidate's own doing: `shared` when the baseline
 * fails the same way, or its latest answer was a failure too.
 */
export function breakerOf(candidate: Tally, baseline: Tally, failures: number): 'closed' | 'open' | 'shared' {
  if (candidate.streak.longest < failures) return 'closed';
  return baseline.streak.longest >= failures || baseline.streak.latest > 0 ? 'shared' : 'open';
}
