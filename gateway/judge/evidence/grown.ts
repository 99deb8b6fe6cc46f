// What has happened since a guard's evidence began to grow: the numbers behind a verdict.
import { addHits, type Hits, NOTHING } from './tally.ts';

export type Grown = {
  readonly since: string;
  /** Milliseconds since then. */
  readonly ms: number;
  /** Blocks of a few seconds in which the candidate was hit; of a ceiling, ticks; of comparisons, single hits. */
  readonly occasions: number;
  /** All requests, and those that were hit. */
  readonly candidate: Hits;
  readonly baseline: Hits;
};

export const NOT_GROWN: Grown = { since: '', ms: 0, occasions: 0, candidate: NOTHING, baseline: NOTHING };

export type Increase = Pick<Grown, 'occasions' | 'candidate' | 'baseline'>;

/** What happened is counted from where the evidence began to grow. */
export function grow(
  before: Grown,
  isNeutral: boolean,
  { occasions, candidate, baseline }: Increase,
  ms: number,
  at: string,
): Grown {
  if (isNeutral) return { since: at, ms, occasions, candidate, baseline };
  return {
    since: before.since,
    ms: before.ms + ms,
    occasions: before.occasions + occasions,
    candidate: addHits(before.candidate, candidate),
    baseline: addHits(before.baseline, baseline),
  };
}
