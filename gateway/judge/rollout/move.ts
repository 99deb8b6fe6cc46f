import type { Rollout } from '../../policy/policy.ts';
import type { Guard, Verdict } from '../verdict/reading.ts';
import { afresh, type Evidence, inNewRuns } from '../verdict/weigh.ts';
import {
  type By,
  type HoldReason,
  NEW_PHASE,
  type Phase,
  type Rollback,
  type RolloutState,
  type ServedPhase,
  type Suspension,
  servedPhaseOf,
  stepOf,
} from './state.ts';
import { type RolloutEvent, targetOf } from './transitions.ts';

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
  /** Of a suspension. */
  readonly guard?: Guard;
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
    inPhase: NEW_PHASE,
    acquittals: hasChangedStep ? 0 : state.acquittals + (isAcquittal(state, cause.event) ? 1 : 0),
    relapses: hasChangedStep ? 0 : relapsesAfter(state, cause.event),
    excusedUnits: excusedAfter(state, cause.event),
    probes: state.probes + (phase.name === 'probing' && cause.event !== 'widen' ? 1 : 0),
    evidence: evidenceAfter(state, phase, isPersonal, hasChangedStep),
    said: undefined,
  };
  return { state: moved, actions: [actionOf(state, phase, cause)] };
}

/** What a dry run would do, said once; and trouble of a promotion, which can go nowhere, so that a person has to look. */
export function tell(state: RolloutState, cause: Cause, rollout: Course): Advance {
  if (state.said === cause.event) return { state, actions: [] };
  const phase = phaseAfter(state, cause, rollout);
  const said = actionOf(state, phase ?? state.phase, cause);
  const action = { ...said, kind: 'would_move' as const, isUrgent: said.isUrgent || phase === undefined };
  return { state: { ...state, said: cause.event }, actions: [action] };
}

/** `step 2`, `holding (paused) in step 2`, `suspended in step 2`, `promoted`: steps count from 1, as people do. */
export function phaseText(phase: Phase): string {
  switch (phase.name) {
    case 'step':
      return `step ${phase.step + 1}`;
    case 'holding':
      return `holding (${phase.why.replaceAll('_', ' ')}) in step ${phase.step + 1}`;
    case 'awaiting_approval':
      return `awaiting approval in step ${phase.step + 1}`;
    case 'suspended':
      return `suspended${phase.isHeld ? ' (held)' : ''} ${placeText(phase.suspension.from)}`;
    case 'probing':
      return `suspended (probing) ${placeText(phase.suspension.from)}`;
    default:
      return phase.name.replace('_', ' ');
  }
}

function placeText(from: ServedPhase): string {
  return from.name === 'promoted' ? 'after the promotion' : `in step ${from.step + 1}`;
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
    case 'suspended':
      return { name: target, suspension: suspensionOf(state, cause), isHeld: false, because: cause.sentence };
    case 'held':
    case 'probing':
    case 'back':
      return whileAway(state.phase, target, cause);
    default:
      return target satisfies never;
  }
}

/** Moves of a candidate whose callers are with the baseline. */
function whileAway(phase: Phase, target: 'held' | 'probing' | 'back', { event, sentence }: Cause): Phase | undefined {
  if (phase.name !== 'suspended' && phase.name !== 'probing') return undefined;
  const { suspension } = phase;
  if (target === 'held')
    return { name: 'suspended', suspension, isHeld: true, because: sentence, hasGivenUp: event === 'give_up' };
  if (target === 'probing' && event === 'widen')
    return { name: 'probing', suspension: { ...suspension, isNobodyElse: true }, isOwnBlock: true };
  if (target === 'probing') return { name: 'probing', suspension, isOwnBlock: suspension.isNobodyElse };
  return suspension.from;
}

function suspensionOf(state: RolloutState, { event, sentence, guard, at }: Cause): Suspension {
  const { phase, verdict, evidence } = state;
  if (event === 'failed' && phase.name === 'probing') {
    const { suspension } = phase;
    const crashes = guard === 'servers' ? suspension.crashes + 1 : 0;
    return { ...suspension, sentence, failedProbes: suspension.failedProbes + 1, crashes };
  }
  const reading = verdict?.readings.find((each) => each.guard === guard);
  const { trials, hits } = reading?.candidate ?? { trials: 0, hits: 0 };
  return {
    from: whenBack(servedPhaseOf(state)),
    since: at,
    guard: guard ?? 'consecutive_failures',
    sentence,
    rate: trials === 0 ? 0 : Math.min(1, hits / trials),
    grewMs: reading?.grewMs ?? 0,
    units: evidence.failingUnits,
    failedProbes: 0,
    crashes: 0,
    isNobodyElse: false,
  };
}

/** Where a suspension that was nothing leads back to: what it was held for, its callers having no room elsewhere, is over. */
function whenBack(from: ServedPhase | undefined): ServedPhase {
  if (from === undefined) return { name: 'step', step: 0 };
  return from.name === 'holding' && from.why === 'no_room' ? { name: 'step', step: from.step } : from;
}

/** A suspension soon after its callers came back is a relapse. */
const RELAPSE_MS = 5 * 60_000;

/** A candidate that fails at its full share alone passes every probe: what shows is that it relapses. */
function relapsesAfter({ acquittals, relapses, inPhase }: RolloutState, event: RolloutEvent): number {
  if (event !== 'suspend') return relapses;
  return acquittals > 0 && inPhase.ms < RELAPSE_MS ? relapses + 1 : 0;
}

/** Callers return because a probe found nothing, or because a person says so. */
function isAcquittal({ phase }: RolloutState, event: RolloutEvent): boolean {
  return (phase.name === 'suspended' || phase.name === 'probing') && (event === 'passed' || event === 'resume');
}

/** Failing units that led to a suspension which was nothing are no reason for the breaker any more. */
function excusedAfter(state: RolloutState, event: RolloutEvent): number {
  const { phase, excusedUnits } = state;
  if (!isAcquittal(state, event) || !('suspension' in phase)) return excusedUnits;
  return Math.max(excusedUnits, phase.suspension.units);
}

/**
 * Evidence begins anew with a probe, and when its callers return: what led to a suspension is not held against the candidate a
 * second time. A person who goes on although a guard is raised has seen the evidence. Another share begins new runs.
 */
function evidenceAfter(state: RolloutState, phase: Phase, isPersonal: boolean, hasChangedStep: boolean): Evidence {
  const wasAway = state.phase.name === 'suspended' || state.phase.name === 'probing';
  if (phase.name === 'rolled_back' || phase.name === 'suspended') return state.evidence;
  if (wasAway || phase.name === 'probing' || (isPersonal && state.verdict?.kind === 'fail'))
    return afresh(state.evidence);
  return hasChangedStep ? inNewRuns(state.evidence) : state.evidence;
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

function stepAfter(phase: Phase, rollout: Course): number {
  const served = servedPhaseOf({ phase });
  if (served === undefined) return -1;
  return served.name === 'promoted' ? rollout.steps.length : served.step;
}

function actionOf({ id, phase: from, verdict }: RolloutState, to: Phase, { event, by, at, sentence }: Cause): Action {
  const isAlarming = to.name === 'rolled_back' || to.name === 'holding' || (to.name === 'suspended' && to.isHeld);
  const isUrgent = by.kind !== 'person' && isAlarming;
  return { kind: 'moved', id, event, from: phaseText(from), to: phaseText(to), by, at, sentence, isUrgent, verdict };
}
