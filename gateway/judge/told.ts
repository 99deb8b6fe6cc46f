// A rollout as it is told: to the audit log and whoever is notified, to metrics, and on the status page.
import type { Block, Rollout } from '../policy/policy.ts';
import { liveOf } from './live.ts';
import { type Action, phaseText } from './move.ts';
import { pauseOf } from './probe.ts';
import { type By, type Rollback, type RolloutState, type Suspension, servedPhaseOf } from './state.ts';
import type { Reading, Verdict } from './verdict.ts';

const SLOTS = 1_000_000;

/** A move with the names that it is about. */
export function transitionOf({ id, verdict, ...action }: Action, { model, candidate, baseline, phase }: RolloutState) {
  const examples = phase.name === 'rolled_back' ? phase.rollback.examples : (verdict?.examples ?? []);
  return { ...action, model, rollout: id, candidate, baseline, examples };
}

/** What metrics read of a rollout. */
export function readingOf(rollout: Rollout, state: RolloutState, others: readonly Rollout[]) {
  const { model, candidate, verdict, phase } = state;
  const evidence = (verdict?.readings ?? []).map(({ guard, evidence, needed }) => ({ guard, part: evidence / needed }));
  return {
    model,
    rollout: rollout.id,
    candidate,
    phase: phase.name,
    share: shareNow(rollout, state, others),
    evidence,
  };
}

/** A rollout on the status page. */
export type RolloutStanding = {
  readonly id: string;
  readonly model: string;
  readonly candidate: string;
  readonly baseline: string;
  /** What an edit must name, so that it is about what the person saw. */
  readonly epoch: number;
  /** `step 2`, `holding (paused) in step 2`. */
  readonly phase: string;
  readonly steps: number;
  /** Part of the callers. */
  readonly share: number;
  readonly startedAt: string | undefined;
  readonly bakedMs: number;
  /** How long this step lasts at least; undefined when a person ends it, or nothing does. */
  readonly bakeMs: number | undefined;
  readonly requests: number;
  readonly minRequests: number;
  readonly verdict: Pick<Verdict, 'kind' | 'sentence' | 'examples'> | undefined;
  /** Every guard: how close it is to a rollback. */
  readonly guards: readonly Pick<Reading, 'guard' | 'is' | 'evidence' | 'needed' | 'candidate' | 'baseline'>[];
  /** Set while its callers are with the baseline. */
  readonly suspended:
    | (Pick<Suspension, 'guard' | 'sentence' | 'failedProbes'> & {
        readonly is: 'paused' | 'probing' | 'held';
        /** Milliseconds until the next probe; 0 when it is under way or waits for servers. */
        readonly probeInMs: number;
      })
    | undefined;
  /** Probes so far, and suspensions of this step that turned out to be nothing. */
  readonly probes: number;
  readonly acquittals: number;
  readonly rolledBack: (Pick<Rollback, 'at' | 'sentence' | 'examples'> & { readonly by: By }) | undefined;
};

/** Where a rollout stands, for people. */
export function standingOf(rollout: Rollout, state: RolloutState, others: readonly Rollout[]): RolloutStanding {
  const { id, model, candidate, baseline, epoch, phase, startedAt, bakedMs, requests, verdict } = state;
  const served = servedPhaseOf(state);
  const until = served !== undefined && 'step' in served ? rollout.steps[served.step]?.until : undefined;
  return {
    id,
    model,
    candidate,
    baseline,
    epoch,
    phase: phaseText(phase),
    steps: rollout.steps.length,
    share: shareNow(rollout, state, others),
    startedAt,
    bakedMs,
    bakeMs: typeof until === 'object' ? until.bakeMs : undefined,
    requests,
    minRequests: rollout.minRequests,
    verdict: verdict && { kind: verdict.kind, sentence: verdict.sentence, examples: verdict.examples },
    guards: (verdict?.readings ?? []).map(({ guard, is, evidence, needed, candidate, baseline }) => ({
      guard,
      is,
      evidence,
      needed,
      candidate,
      baseline,
    })),
    suspended: suspendedOf(state, rollout),
    probes: state.probes,
    acquittals: state.acquittals,
    rolledBack: phase.name === 'rolled_back' ? phase.rollback : undefined,
  };
}

function suspendedOf({ phase, inPhase }: RolloutState, rollout: Rollout): RolloutStanding['suspended'] {
  if (phase.name !== 'suspended' && phase.name !== 'probing') return undefined;
  const { guard, sentence, failedProbes } = phase.suspension;
  const is = phase.name === 'probing' ? 'probing' : phase.isHeld ? 'held' : 'paused';
  const probeInMs = is === 'paused' ? Math.max(0, pauseOf(phase.suspension, rollout) - inPhase.ms) : 0;
  return { guard, sentence, failedProbes, is, probeInMs };
}

function shareNow(rollout: Rollout, state: RolloutState, others: readonly Rollout[]): number {
  const live = liveOf(state, rollout, others);
  if (live.is === 'promoted') return 1;
  return live.is === 'live' ? sizeOf(live.block) / SLOTS : 0;
}

function sizeOf({ from, to }: Block): number {
  return to - from;
}
