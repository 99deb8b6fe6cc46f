// A rollout as it is told: to the audit log and whoever is notified, to metrics, and on the status page.
import type { Block, Rollout } from '../policy/policy.ts';
import { liveOf } from './live.ts';
import { type Action, phaseText } from './move.ts';
import type { By, Rollback, RolloutState } from './state.ts';
import type { Reading, Verdict } from './verdict.ts';

const SLOTS = 1_000_000;

/** A move with the names that it is about. */
export function transitionOf({ id, verdict, ...action }: Action, { model, candidate, baseline, phase }: RolloutState) {
  const examples = phase.name === 'rolled_back' ? phase.rollback.examples : (verdict?.examples ?? []);
  return { ...action, model, rollout: id, candidate, baseline, examples };
}

/** What metrics read of a rollout. */
export function readingOf(rollout: Rollout, state: RolloutState) {
  const { model, candidate, verdict, phase } = state;
  const evidence = (verdict?.readings ?? []).map(({ guard, evidence, needed }) => ({ guard, part: evidence / needed }));
  return { model, rollout: rollout.id, candidate, phase: phase.name, share: shareNow(rollout, state), evidence };
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
  readonly rolledBack: (Pick<Rollback, 'at' | 'sentence' | 'examples'> & { readonly by: By }) | undefined;
};

/** Where a rollout stands, for people. */
export function standingOf(rollout: Rollout, state: RolloutState): RolloutStanding {
  const { id, model, candidate, baseline, epoch, phase, startedAt, bakedMs, requests, verdict } = state;
  const until = 'step' in phase ? rollout.steps[phase.step]?.until : undefined;
  return {
    id,
    model,
    candidate,
    baseline,
    epoch,
    phase: phaseText(phase),
    steps: rollout.steps.length,
    share: shareNow(rollout, state),
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
    rolledBack: phase.name === 'rolled_back' ? phase.rollback : undefined,
  };
}

function shareNow(rollout: Rollout, state: RolloutState): number {
  const live = liveOf(state, rollout);
  if (live.is === 'promoted') return 1;
  return live.is === 'live' ? sizeOf(live.block) / SLOTS : 0;
}

function sizeOf({ from, to }: Block): number {
  return to - from;
}
