// What is asked of the evidence, what a guard read from it, and what follows.
import type { Guards } from '../../policy/policy.ts';
import type { Hits } from '../evidence/tally.ts';
import type { WeighedGuard } from './budget.ts';

export type Guard = WeighedGuard | 'consecutive_failures' | 'servers';

/** What one guard has to say, with the numbers behind it. */
export type Reading = {
  readonly guard: Guard;
  /** `shared`: the baseline breaches the same limit, so the guard says nothing about the candidate. */
  readonly is: 'quiet' | 'doubtful' | 'raised' | 'shared';
  /** How many times likelier a bad candidate makes all that was seen than a good one; raised at `needed`. */
  readonly evidence: number;
  readonly needed: number;
  /** ISO time from which the evidence has been growing and the hits are counted, and how long ago that was. */
  readonly since: string;
  readonly grewMs: number;
  readonly candidate: Hits;
  readonly baseline: Hits;
};

/**
 * What is to be thought of a candidate: `fail` gives its callers back or, in a probe, ends the rollout; `pass` lets it go on;
 * `insufficient` and `error` hold. `error` means that no one can tell: the baseline fails alike, or the numbers cannot be true.
 */
export type Verdict = {
  readonly kind: 'pass' | 'fail' | 'insufficient' | 'error';
  readonly guard: Guard | undefined;
  /** For a person: which guard, the numbers, since when. */
  readonly sentence: string;
  readonly readings: readonly Reading[];
  /** Ids of requests that show it. */
  readonly examples: readonly string[];
};

/** What a verdict is asked about. */
export type Question = {
  readonly candidate: string;
  readonly baseline: string;
  /** Undefined in a rollout that no one judges. */
  readonly guards: Guards | undefined;
  /** The number of the probe under way, from 1; undefined outside a probe. */
  readonly probe: number | undefined;
  /** Suspensions of this step that turned out to be nothing. */
  readonly acquittals: number;
  /** The candidate's requests in this step, and how many are asked for. */
  readonly requests: number;
  readonly minRequests: number;
  /** Whether the next step is the promotion. */
  readonly isLast: boolean;
  readonly maxDisagreement: number | undefined;
};
