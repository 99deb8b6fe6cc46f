// What is to happen now, and why: the judge's own causes of a move.
import type { Rollout } from '../../policy/policy.ts';
import type { Moment, Observation } from '../evidence/observation.ts';
import type { Cause } from '../rollout/move.ts';
import { isAway, type RolloutState, servedPhaseOf, stepOf } from '../rollout/state.ts';
import { type Because, causeAway, WARM_UP_MS } from '../rollout/suspended.ts';
import type { Verdict } from './reading.ts';

const JUDGE = { kind: 'judge' } as const;

/** The one thing that is to happen now, the gravest first. */
export function causeOf(state: RolloutState, seen: Observation, rollout: Rollout, { at }: Moment): Cause | undefined {
  const { phase, verdict } = state;
  const because: Because = (event, sentence = verdict?.sentence ?? '', more = {}) => ({
    event,
    by: JUDGE,
    at,
    sentence,
    ...more,
  });
  if (phase.name === 'pending') return whenPending(state, seen, because);
  if (isAway(phase)) return withoutEnd(causeAway(state, seen, rollout, because), rollout);
  if (verdict?.kind === 'fail') return whenRaised(state, verdict, seen, rollout, because);
  if (verdict?.kind === 'error')
    return phase.name === 'holding' ? undefined : because('trouble', verdict.sentence, { hold: 'cannot_tell' });
  if (isHeldBy(state, 'cannot_tell')) return because('clear', `one can tell again: ${verdict?.sentence ?? ''}`);
  if (phase.name !== 'step') return undefined;
  if (rollout.maxDurationMs !== undefined && state.totalMs >= rollout.maxDurationMs)
    return because('expired', `max_duration has passed without a verdict: ${verdict?.sentence ?? ''}`, {
      hold: 'inconclusive',
    });
  return verdict?.kind === 'pass' ? whenPassed(state, seen, rollout, because) : undefined;
}

/** A policy that no longer lets guards end the rollout: a probe that found the same is one more that failed. */
function withoutEnd(cause: Cause | undefined, { guards }: Rollout): Cause | undefined {
  return cause?.event === 'fail' && guards?.action !== 'rollback' ? { ...cause, event: 'failed' } : cause;
}

/** Callers come once the candidate is warm; where no one asks the baseline either, there is nothing to warm it with. */
function whenPending({ inPhase }: RolloutState, seen: Observation, because: Because): Cause | undefined {
  const isQuiet = seen.traffic.baseline.judged.trials === 0 && !seen.isAsked;
  const isWarm = seen.isWarm || isQuiet || inPhase.ms >= WARM_UP_MS;
  return seen.isReady && isWarm ? because('ready', 'candidate and baseline can be served') : undefined;
}

/** A guard was raised: the candidate's callers go back to the baseline, where its servers are enough for them. */
function whenRaised(
  state: RolloutState,
  { sentence, guard }: Verdict,
  { room }: Observation,
  rollout: Rollout,
  because: Because,
): Cause | undefined {
  if (rollout.guards?.action === 'freeze')
    return isHeldBy(state, 'frozen') ? undefined : because('freeze', sentence, { hold: 'frozen' });
  const share = shareOf(state, rollout);
  if (room >= share) return because('suspend', sentence, guard === undefined ? {} : { guard });
  if (isHeldBy(state, 'no_room')) return undefined;
  const text = `${sentence}; its callers cannot go back: the servers of ${state.baseline} that are well are enough for ${Math.round(100 * room)} % of the traffic`;
  return because('trouble', text, { hold: 'no_room' });
}

function shareOf(state: RolloutState, rollout: Rollout): number {
  return servedPhaseOf(state)?.name === 'promoted'
    ? 1
    : (rollout.steps[stepOf(state, rollout.steps.length)]?.share ?? 1);
}

function whenPassed(state: RolloutState, seen: Observation, rollout: Rollout, because: Because): Cause | undefined {
  const until = rollout.steps[stepOf(state, rollout.steps.length)]?.until;
  if (until === undefined || until === 'held') return undefined;
  if (until === 'approved') return because('enough', `approval is asked for: ${state.verdict?.sentence ?? ''}`);
  const isWarm = seen.isWarm || state.bakedMs >= until.bakeMs + WARM_UP_MS; // servers that came during the step are warmed by its callers
  return state.bakedMs >= until.bakeMs && isWarm && !isShort(state, seen, rollout) ? because('done') : undefined;
}

function isHeldBy({ phase }: RolloutState, why: string): boolean {
  return phase.name === 'holding' && phase.why === why;
}

/** Whether the next step, or the promotion, wants more servers of the candidate than are ready: capacity before traffic. */
export function isShort(state: RolloutState, { capacity }: Observation, rollout: Rollout): boolean {
  return state.phase.name === 'step' && capacity < nextShare(state, rollout);
}

/** The share that the next step, or the promotion, asks for. */
export function nextShare(state: RolloutState, { steps }: Rollout): number {
  return steps[stepOf(state, steps.length) + 1]?.share ?? 1;
}
