// What follows from the answer of a tier: it goes to the caller, or the next tier is asked. Pure. Live traffic, `sluice replay`
// and the measuring of `sluice tune` all climb by this rule.
import { isFailure, type OutcomeClass } from '../flow.ts';
import type { TieredModel } from '../policy/policy.ts';

/** The part of a ladder that decides who answers. */
export type Rungs = {
  /** Tiers from fast to accurate. */
  readonly tiers: readonly string[];
  /** Confidence under which a tier passes a request on; the others pass on outages alone. Undefined: nothing is passed on. */
  readonly below: ReadonlyMap<string, number> | undefined;
};

/** The rungs of a policy's ladder. */
export function rungsOf({ ladder, escalation }: TieredModel): Rungs {
  return { tiers: [...ladder.keys()], below: escalation?.below };
}

/** Why a request is passed on: the answer is not sure, does not say how sure it is, or there is none. */
export type EscalationReason = 'unsure' | 'invalid' | 'outage';

/** Why an answer is passed on to the caller that should have been asked for again. */
export type Degradation = 'deadline' | 'budget' | 'outage';

/** What a tier's answer showed. */
export type TierAnswer = {
  readonly tier: string;
  readonly class: OutcomeClass;
  /** Undefined when it cannot be read. */
  readonly confidence: number | undefined;
};

/** What there is to spend. */
export type Means = {
  /** Milliseconds until the caller's deadline. */
  readonly leftMs: number;
  /** How long the next tier lately took in all but 5 % of the cases; 0 while that is not known. */
  readonly nextP95Ms: number;
  readonly hasBudget: boolean;
};

export type NextStep =
  | { readonly kind: 'answer'; readonly degraded: Degradation | undefined }
  | {
      readonly kind: 'up';
      readonly tier: string;
      readonly reason: EscalationReason;
      /** Whether it is taken from the budget: a fault of the tier is not, the next one's in-flight cap bounds it. */
      readonly isPaid: boolean;
    };

const DONE: NextStep = { kind: 'answer', degraded: undefined };

/**
 * What follows. `asked` is the confidence that the caller wants at least: it raises the policy's threshold and never
 * lowers it. A ladder is only ever climbed, so no tier is asked twice.
 */
export function nextStep(
  { tiers, below }: Rungs,
  answer: TierAnswer,
  asked: number | undefined,
  means: Means,
): NextStep {
  const next = tiers[tiers.indexOf(answer.tier) + 1];
  if (below === undefined || next === undefined) return DONE;
  if (isFailure(answer.class) || answer.class === 'shed' || answer.class === 'own_limit')
    return means.leftMs > means.nextP95Ms ? { kind: 'up', tier: next, reason: 'outage', isPaid: false } : DONE;
  if (answer.class !== 'ok') return DONE; // the caller's own mistake, or it has left
  const threshold = thresholdOf(below.get(answer.tier), asked);
  // Not `confidence < threshold`: NaN is below nothing.
  if (threshold === undefined || (answer.confidence !== undefined && answer.confidence >= threshold)) return DONE;
  const reason = answer.confidence === undefined ? 'invalid' : 'unsure';
  if (means.leftMs <= means.nextP95Ms) return { kind: 'answer', degraded: 'deadline' };
  if (reason === 'unsure' && !means.hasBudget) return { kind: 'answer', degraded: 'budget' };
  return { kind: 'up', tier: next, reason, isPaid: reason === 'unsure' };
}

/** Undefined when the tier passes nothing on for want of confidence. */
function thresholdOf(below: number | undefined, asked: number | undefined): number | undefined {
  if (below === undefined) return undefined;
  return asked === undefined ? below : Math.max(below, asked);
}
