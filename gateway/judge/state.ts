// What is known of a rollout. Plain data without a clock of its own: it is stored, sent and merged as JSON.
import type { ServerClass } from './tally.ts';
import type { Guard, Reading, Verdict } from './verdict.ts';
import { type Evidence, NO_EVIDENCE } from './weigh.ts';

/** Who moved a rollout. */
export type By =
  | { readonly kind: 'judge' }
  | { readonly kind: 'person'; readonly name: string }
  | { readonly kind: 'alert'; readonly fingerprint: string };

export type HoldReason = 'paused' | 'frozen' | 'inconclusive' | 'cannot_tell';

export type Phase =
  | { readonly name: 'pending' }
  | { readonly name: 'step'; readonly step: number }
  | { readonly name: 'holding'; readonly step: number; readonly why: HoldReason }
  | { readonly name: 'awaiting_approval'; readonly step: number }
  /** `isNamed`: the policy has named the candidate its baseline, and the promotion has done its work. */
  | { readonly name: 'promoted'; readonly guardLeftMs: number; readonly isNamed: boolean }
  | { readonly name: 'rolled_back'; readonly rollback: Rollback };

/** Why a candidate left. */
export type Rollback = {
  /** ISO wall-clock time, for people. */
  readonly at: string;
  readonly by: By;
  readonly guard: Guard | undefined;
  readonly sentence: string;
  readonly readings: readonly Reading[];
  readonly examples: readonly string[];
};

export type RolloutState = {
  readonly id: string;
  readonly model: string;
  readonly candidate: string;
  readonly baseline: string;
  /** Grows with every move: whoever stores a move compares it. */
  readonly epoch: number;
  readonly phase: Phase;
  /** ISO wall-clock time of the first step; an alert from before is not about this rollout. */
  readonly startedAt: string | undefined;
  /** Milliseconds in this step that count: paused and unjudged time does not. */
  readonly bakedMs: number;
  /** The same over all steps since the last person's word. */
  readonly totalMs: number;
  /** Judged requests of the candidate in this step. */
  readonly requests: number;
  /** Where slowness is asked, in milliseconds, by class of servers. */
  readonly edges: Readonly<Record<ServerClass, readonly number[]>>;
  readonly evidence: Evidence;
  readonly verdict: Verdict | undefined;
  /** What a dry run has already said it would do. */
  readonly told: string | undefined;
};

/** A rollout that no one has seen yet. */
export function newRollout(id: string, model: string, candidate: string, baseline: string): RolloutState {
  return {
    id,
    model,
    candidate,
    baseline,
    epoch: 0,
    phase: { name: 'pending' },
    startedAt: undefined,
    bakedMs: 0,
    totalMs: 0,
    requests: 0,
    edges: { cpu: [], gpu: [] },
    evidence: NO_EVIDENCE,
    verdict: undefined,
    told: undefined,
  };
}

/** The step that a rollout is in, from 0; before the first it is 0, and behind the last one when it is promoted. */
export function stepOf({ phase }: RolloutState, steps: number): number {
  if ('step' in phase) return Math.min(phase.step, steps - 1);
  return phase.name === 'promoted' ? steps : 0;
}
