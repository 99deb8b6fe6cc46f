import { isLive, type Recent, recentRate } from './shared-failure.ts';
import type { Tally } from './tally.ts';

/** `waiting`: there were as many failures, and the baseline has yet to answer something. */
export type Breaker = 'closed' | 'waiting' | 'open' | 'shared';

/** Answers of the baseline in one tick by which it is known how it does in that very moment. */
const MANY = 20;
/** A baseline that fails this often has a failure of its own, whatever the policy asks for. */
const OFTEN = 0.05;
/** Where the baseline might by chance fail as often in a row as this, a row proves nothing. */
const CHANCE = 1e-6;

/** Whether so many failures in a row, each of another caller, are the candidate's own doing. `recent` includes this tick. */
export function breakerOf(
  before: Breaker,
  candidate: Tally,
  baseline: Tally,
  recent: Recent,
  failures: number,
): Breaker {
  if (candidate.streak.longest < failures) return 'closed';
  if (!isLive(recent)) return 'open';
  const isAlike = baseline.streak.longest >= failures || baseline.streak.latest > 0;
  if (isAlike || recentRate(recent.errors) > Math.max(OFTEN, CHANCE ** (1 / failures))) return 'shared';
  const answers = baseline.errors.counted.trials;
  return answers >= MANY || (before === 'waiting' && answers > 0) ? 'open' : 'waiting';
}
