import type { Rollout } from '../policy/policy.ts';
import { type By, type HoldReason, type Phase, type Rollback, type RolloutState, stepOf } from './state.ts';
import { type RolloutEvent, targetOf } from './transitions.ts';
import type { Verdict } from './verdict.ts';
import { NO_EVIDENCE } from './weigh.ts';

/** Something for the audit log, the metrics, the log and whoever is notified. */
export type Action = {
  /** A dry run only says what it would do. */
  readonly kind: 'moved' | 'would_move';
  readonly id: string;
  readonly event: RolloutEvent;
  readonly from: string;
  readonly to: string;
  readonly by: By;
  readonly at: string;
  readonly sentence: string;
  /** Whether a person should look at it now. */
  readonly isUrgent: boolean;
  readonly verdict: Verdict | undefined;
};

export type Advance = { readonly state: RolloutState; readonly actions: readonly Action[] };

/** Why a rollout moves. */
export type Cause = {
  readonly event: RolloutEvent;
  readonly by: By;
  /** ISO wall-clock time, for people. */
  readonly at: string;
  readonly sentence: string;
  readonly hold?: HoldReason;
};

/** What a move asks of a rollout: also one that the policy no longer has may still be rolled back. */
export type Course = Pick<Rollout, 'steps' | 'guardTimeMs'>;

/** Moves a rollout as the table says; undefined where the event does not belong. */
export function move(state: RolloutState, cause: Cause, rollout: Course): Advance | undefined {
  const phase = phaseAfter(state, cause, rollout);
  if (phase === undefined) return undefined;
  const hasChangedStep = stepAfter(phase, rollout) !== stepOf(state, rollout.steps.length);
  const isPersonal = cause.by.kind === 'person';
  const moved: RolloutState = {
    ...state,
    epoch: state.epoch + 1,
    phase,
    startedAt: state.startedAt ?? (phase.name === 'step' ? cause.at : undefined),
    bakedMs: hasChangedStep ? 0 : state.bakedMs,
    totalMs: isPersonal ? 0 : state.totalMs,
    requests: hasChangedStep ? 0 : state.requests,
    // The next step is asked at edges of its own time.
    edges: hasChangedStep ? { cpu: [], gpu: [] } : state.edges,
    // A person who goes on although a guard is raised has seen the evidence: from here it is gathered anew.
    evidence: isPersonal && isRaised(state) && phase.name !== 'rolled_back' ? NO_EVIDENCE : state.evidence,
    told: undefined,
  };
  return { state: moved, actions: [actionOf(state, phase, cause)] };
}

/** What a dry run would do, said once. */
export function tell(state: RolloutState, cause: Cause, rollout: Course): Advance {
  const phase = phaseAfter(state, cause, rollout);
  if (phase === undefined || state.told === cause.event) return { state, actions: [] };
  const action = { ...actionOf(state, phase, cause), kind: 'would_move' as const };
  return { state: { ...state, told: cause.event }, actions: [action] };
}

/** `step 2`, `holding (paused) in step 2`, `promoted`: steps count from 1, as people do. */
export function phaseText(phase: Phase): string {
  if (phase.name === 'step') return `step ${phase.step + 1}`;
  if (phase.name === 'holding') return `holding (${phase.why.replace('_', ' ')}) in step ${phase.step + 1}`;
  if (phase.name === 'awaiting_approval') return `awaiting approval in step ${phase.step + 1}`;
  return phase.name.replace('_', ' ');
}

function phaseAfter(state: RolloutState, cause: Cause, rollout: Course): Phase | undefined {
  const step = stepOf(state, rollout.steps.length);
  const target = targetOf(state.phase.name, cause.event);
  switch (target) {
    case undefined:
      return undefined;
    case 'step':
    case 'awaiting_approval':
      return { name: target, step };
    case 'next':
      return step + 1 < rollout.steps.length
        ? { name: 'step', step: step + 1 }
        : { name: 'promoted', guardLeftMs: rollout.guardTimeMs, isNamed: false };
    case 'holding':
      return { name: 'holding', step, why: cause.hold ?? 'paused' };
    case 'rolled_back':
      return { name: 'rolled_back', rollback: rollbackOf(state, cause) };
    default:
      return target satisfies never;
  }
}

function rollbackOf({ verdict }: RolloutState, { by, at, sentence, event }: Cause): Rollback {
  const judged = event === 'fail' ? verdict : undefined;
  return {
    at,
    by,
    guard: judged?.guard,
    sentence,
    readings: verdict?.readings ?? [],
    examples: judged?.examples ?? [],
  };
}

function isRaised({ verdict }: RolloutState): boolean {
  return verdict?.kind === 'fail';
}

function stepAfter(phase: Phase, rollout: Course): number {
  if (phase.name === 'promoted') return rollout.steps.length;
  return 'step' in phase ? phase.step : -1;
}

function actionOf({ id, phase: from, verdict }: RolloutState, to: Phase, { event, by, at, sentence }: Cause): Action {
  const isUrgent = by.kind !== 'person' && (to.name === 'rolled_back' || to.name === 'holding');
  return { kind: 'moved', id, event, from: phaseText(from), to: phaseText(to), by, at, sentence, isUrgent, verdict };
}
