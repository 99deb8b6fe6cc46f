// What is known of a rollout. Plain data without a clock of its own: it is stored, sent and merged as JSON.
import { type Hits, NOTHING, type ServerClass } from '../evidence/tally.ts';
import type { Guard, Reading, Verdict } from '../verdict/reading.ts';
import { type Evidence, NO_EVIDENCE } from '../verdict/weigh.ts';

/** Who moved a rollout. */
export type By =
  | { readonly kind: 'judge' }
  | { readonly kind: 'person'; readonly name: string }
  | { readonly kind: 'alert'; readonly fingerprint: string };

export type HoldReason = 'paused' | 'frozen' | 'inconclusive' | 'cannot_tell' | 'no_room';

/** A candidate has callers. */
export type ServedPhase =
  | { readonly name: 'step'; readonly step: number }
  | { readonly name: 'holding'; readonly step: number; readonly why: HoldReason }
  | { readonly name: 'awaiting_approval'; readonly step: number }
  /** `isNamed`: the policy has named the candidate its baseline, and the promotion has done its work. */
  | { readonly name: 'promoted'; readonly guardLeftMs: number; readonly isNamed: boolean };

export type Phase =
  | { readonly name: 'pending' }
  | ServedPhase
  /** Its callers are with the baseline for now. `isHeld`: only a person goes on from here, `because` says why. */
  | {
      readonly name: 'suspended';
      readonly suspension: Suspension;
      readonly isHeld: boolean;
      readonly because: string;
      /** Whether the judge gave up, and no person paused it. */
      readonly hasGivenUp?: boolean | undefined;
    }
  /** Some callers ask the candidate again, others than before where there is room. */
  | { readonly name: 'probing'; readonly suspension: Suspension; readonly isOwnBlock: boolean }
  | { readonly name: 'rolled_back'; readonly rollback: Rollback };

/** Why a candidate's callers were given back, and what is to be seen before they return. */
export type Suspension = {
  /** Where it goes on from when the probe finds nothing. */
  readonly from: ServedPhase;
  /** ISO wall-clock time, for people. */
  readonly since: string;
  readonly guard: Guard;
  readonly sentence: string;
  /** The part of the candidate's requests that spoke against it, and for how long, in milliseconds, they had. */
  readonly rate: number;
  readonly grewMs: number;
  /** Units that failed in the half minute before. */
  readonly units: number;
  /** Probes that found the same since its callers were given back; and of those the last in a row at which its servers failed. */
  readonly failedProbes: number;
  readonly crashes: number;
  /** Whether the callers of an earlier probe asked nothing, so that the candidate's own are to ask again. */
  readonly isNobodyElse: boolean;
};

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

/** What the candidate did since the phase began. */
export type InPhase = {
  /** Milliseconds in which it could go on, and in which it waited for the candidate's servers. */
  readonly ms: number;
  readonly waitedMs: number;
  /** Requests that failed, answers beyond the upper edge and the ceiling of latency, comparisons that differ; of all of them. */
  readonly judged: Hits;
  readonly slow: Hits;
  readonly over: Hits;
  readonly compared: Hits;
  readonly serverFaults: number;
};

export type RolloutState = {
  readonly id: string;
  readonly model: string;
  readonly candidate: string;
  readonly baseline: string;
  /** Grows with every move: whoever stores a move compares it. */
  readonly epoch: number;
  readonly phase: Phase;
  /** What its callers are drawn with; undefined before the first step, when the policy's holds. */
  readonly salt: string | undefined;
  /** ISO wall-clock time of the first step; an alert from before is not about this rollout. */
  readonly startedAt: string | undefined;
  /** Milliseconds in this step that count: paused, suspended and unjudged time does not. */
  readonly bakedMs: number;
  /** The same over all steps since the last person's word. */
  readonly totalMs: number;
  /** Judged requests of the candidate in this step. */
  readonly requests: number;
  readonly inPhase: InPhase;
  /** Suspensions after which a probe found nothing, in this step; each makes the next one need more. */
  readonly acquittals: number;
  /** Suspensions in a row that came within minutes of its callers' return. */
  readonly relapses: number;
  /** Failing units that were found to be no fault of the candidate. */
  readonly excusedUnits: number;
  /** Probes in the whole rollout: each has its own part of the risk. */
  readonly probes: number;
  /** Where slowness is asked, in milliseconds, by class of servers; and their age. */
  readonly edges: Readonly<Record<ServerClass, readonly number[]>>;
  readonly edgesMs: number;
  readonly evidence: Evidence;
  readonly verdict: Verdict | undefined;
  /** What a dry run has already said it would do. */
  readonly said: string | undefined;
};

export const NEW_PHASE: InPhase = {
  ms: 0,
  waitedMs: 0,
  judged: NOTHING,
  slow: NOTHING,
  over: NOTHING,
  compared: NOTHING,
  serverFaults: 0,
};

/** A rollout that no one has seen yet. */
export function newRollout(
  id: string,
  model: string,
  candidate: string,
  baseline: string,
  salt?: string,
): RolloutState {
  return {
    id,
    model,
    candidate,
    baseline,
    epoch: 0,
    phase: { name: 'pending' },
    salt,
    startedAt: undefined,
    bakedMs: 0,
    totalMs: 0,
    requests: 0,
    inPhase: NEW_PHASE,
    acquittals: 0,
    relapses: 0,
    excusedUnits: 0,
    probes: 0,
    edges: { cpu: [], gpu: [] },
    edgesMs: 0,
    evidence: NO_EVIDENCE,
    verdict: undefined,
    said: undefined,
  };
}

/** The phase in which the candidate has callers: of a suspension the one that it began in. */
export function servedPhaseOf({ phase }: Pick<RolloutState, 'phase'>): ServedPhase | undefined {
  if (phase.name === 'suspended' || phase.name === 'probing') return phase.suspension.from;
  return phase.name === 'pending' || phase.name === 'rolled_back' ? undefined : phase;
}

/** The step that a rollout is in, from 0; before the first it is 0, and behind the last one when it is promoted. */
export function stepOf(state: Pick<RolloutState, 'phase'>, steps: number): number {
  const served = servedPhaseOf(state);
  if (served === undefined) return 0;
  return served.name === 'promoted' ? steps : Math.max(0, Math.min(served.step, steps - 1));
}

/** Whether a candidate was promoted, its guard time included, also while that is suspended. */
export function isPromoted(state: Pick<RolloutState, 'phase'>): boolean {
  return servedPhaseOf(state)?.name === 'promoted';
}

/** Whether a candidate's callers are with the baseline for now, but for those of a probe. */
export function isAway({ name }: Phase): boolean {
  return name === 'suspended' || name === 'probing';
}
