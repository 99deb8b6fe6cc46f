// A rollout takes its steps: table-driven, one tick at a time, from what was observed and nothing else.
import type { Rollout } from '../policy/policy.ts';
import { areComparable, type Comparisons } from './disagreement.ts';
import { edgesOf } from './edges.ts';
import type { Histogram } from './histogram.ts';
import { type Advance, type Cause, move, tell } from './move.ts';
import { type RolloutState, stepOf } from './state.ts';
import { isSound, type ServerClass } from './tally.ts';
import { unsound, type Verdict, verdictOf } from './verdict.ts';
import { type Traffic, weigh } from './weigh.ts';

/** What was seen since the last tick. */
export type Observation = {
  readonly traffic: Traffic;
  readonly comparisons: Comparisons;
  /** The baseline's latencies of the last minutes, from before this tick: where slowness will be asked. */
  readonly recent: Readonly<Record<ServerClass, Histogram>>;
  /** Whether some server can answer for the candidate, and some for the baseline. */
  readonly isReady: boolean;
  /** The part of the traffic, 0 to 1, that the candidate's servers are enough for. */
  readonly capacity: number;
};

export type Moment = {
  /** Since the last tick, on a monotonic clock. */
  readonly elapsedMs: number;
  /** ISO wall-clock time, for people. */
  readonly at: string;
  /** The kill switch: without it nothing moves but by a person's hand. */
  readonly isAutomatic: boolean;
};

/** A process that was stopped or starved has not been watching: such a gap is no bake time. */
const LONGEST_TICK_MS = 5000;

const JUDGE = { kind: 'judge' } as const;

/** One tick: takes in what was seen, and moves where the evidence says so. At most one move a tick. */
export function advance(state: RolloutState, seen: Observation, rollout: Rollout, moment: Moment): Advance {
  if (isOver(state)) return { state, actions: [] };
  const judged = judge(state, seen, rollout, moment);
  const cause = moment.isAutomatic ? causeOf(judged, seen, rollout, moment) : undefined;
  if (cause === undefined) return { state: judged, actions: [] };
  if (isOnlyTold(judged, cause, rollout)) return tell(judged, cause, rollout);
  return move(judged, cause, rollout) ?? { state: judged, actions: [] };
}

/** In a dry run all but the start; and a frozen promotion, which has no step to be held in. */
function isOnlyTold({ phase }: RolloutState, { event }: Cause, { guards }: Rollout): boolean {
  if (guards?.action === 'dry_run') return event !== 'ready';
  return guards?.action === 'freeze' && phase.name === 'promoted' && event === 'fail';
}

/** Nothing is watched any more: it left, or its guard time after the promotion is over. */
function isOver({ phase }: RolloutState): boolean {
  return phase.name === 'rolled_back' || (phase.name === 'promoted' && phase.guardLeftMs <= 0);
}

function judge(state: RolloutState, seen: Observation, rollout: Rollout, { elapsedMs, at }: Moment): RolloutState {
  if (state.phase.name === 'pending') return state;
  const { candidate, baseline } = seen.traffic;
  if (!isSound(candidate) || !isSound(baseline) || !areComparable(seen.comparisons))
    return { ...state, verdict: unsound() };
  const timed = pass(state, Math.max(0, Math.min(elapsedMs, LONGEST_TICK_MS)), candidate.errors.counted.trials);
  const edges = {
    cpu: state.edges.cpu.length > 0 ? state.edges.cpu : edgesOf(seen.recent.cpu),
    gpu: state.edges.gpu.length > 0 ? state.edges.gpu : edgesOf(seen.recent.gpu),
  };
  const { guards } = rollout;
  const step = stepOf(state, rollout.steps.length);
  const { traffic, comparisons } = seen;
  const evidence = guards ? weigh(state.evidence, { traffic, comparisons, guards, step, at }) : state.evidence;
  const weighed = { ...timed, edges, evidence };
  return { ...weighed, verdict: verdictOn(weighed, seen, rollout) };
}

function pass(state: RolloutState, ms: number, requests: number): RolloutState {
  const { phase } = state;
  if (phase.name === 'promoted') return { ...state, phase: { ...phase, guardLeftMs: phase.guardLeftMs - ms } };
  const counts = phase.name === 'step' ? ms : 0;
  return {
    ...state,
    bakedMs: state.bakedMs + counts,
    totalMs: state.totalMs + counts,
    requests: state.requests + requests,
  };
}

function verdictOn(state: RolloutState, seen: Observation, rollout: Rollout): Verdict {
  const step = stepOf(state, rollout.steps.length);
  const verdict = verdictOf(state.evidence, {
    candidate: state.candidate,
    baseline: state.baseline,
    guards: rollout.guards,
    requests: state.requests,
    minRequests: rollout.minRequests,
    isLast: step >= rollout.steps.length - 1,
    maxDisagreement: rollout.maxDisagreement,
  });
  const isAlone = rollout.guards !== undefined && isWithoutControl(step, rollout) && !hasBaseline(seen);
  const notes = [
    ...(isAlone ? [`nobody is on ${state.baseline}, so nothing is compared with it`] : []),
    ...(isShort(state, seen, rollout) ? [waitText(state, seen, rollout)] : []),
  ];
  return notes.length === 0 ? verdict : { ...verdict, sentence: [verdict.sentence, ...notes].join('; ') };
}

/** Whether the next step, or the promotion, wants more servers of the candidate than are ready: capacity before traffic. */
function isShort(state: RolloutState, { capacity }: Observation, rollout: Rollout): boolean {
  return state.phase.name === 'step' && capacity < nextShare(state, rollout);
}

function nextShare(state: RolloutState, { steps }: Rollout): number {
  return steps[stepOf(state, steps.length) + 1]?.share ?? 1;
}

function waitText(state: RolloutState, { capacity }: Observation, rollout: Rollout): string {
  const percent = (share: number) => `${+(100 * share).toFixed(1)} %`;
  return `the next step waits for servers: those that are ready are enough for ${percent(capacity)} of the traffic, ${percent(nextShare(state, rollout))} is asked for`;
}

/** At 100 % without a holdback, and after the promotion, there is no baseline at the same time. */
function isWithoutControl(step: number, rollout: Rollout): boolean {
  const share = rollout.steps[step]?.share ?? 1;
  const block = rollout.blocks[step];
  return share === 1 && (block === undefined || block.to - block.from === 1_000_000);
}

function hasBaseline({ traffic }: Observation): boolean {
  return traffic.baseline.errors.counted.trials > 0;
}

/** The one thing that is to happen now, the gravest first. */
function causeOf(state: RolloutState, seen: Observation, rollout: Rollout, { at }: Moment): Cause | undefined {
  const { phase, verdict } = state;
  const because = (event: Cause['event'], sentence = verdict?.sentence ?? '', hold?: Cause['hold']): Cause => ({
    event,
    by: JUDGE,
    at,
    sentence,
    ...(hold === undefined ? {} : { hold }),
  });
  if (phase.name === 'pending')
    return seen.isReady ? because('ready', 'candidate and baseline can be served') : undefined;
  if (verdict?.kind === 'fail') {
    if (rollout.guards?.action !== 'freeze' || phase.name === 'promoted') return because('fail');
    return isHeldBy(state, 'frozen') ? undefined : because('freeze', verdict.sentence, 'frozen');
  }
  if (verdict?.kind === 'error')
    return phase.name === 'holding' ? undefined : because('trouble', verdict.sentence, 'cannot_tell');
  if (isHeldBy(state, 'cannot_tell')) return because('clear', `one can tell again: ${verdict?.sentence ?? ''}`);
  if (phase.name !== 'step') return undefined;
  if (rollout.maxDurationMs !== undefined && state.totalMs >= rollout.maxDurationMs)
    return because('expired', `max_duration has passed without a verdict: ${verdict?.sentence ?? ''}`, 'inconclusive');
  return verdict?.kind === 'pass' ? whenPassed(state, seen, rollout, because) : undefined;
}

function whenPassed(
  state: RolloutState,
  seen: Observation,
  rollout: Rollout,
  because: (event: Cause['event'], sentence?: string) => Cause,
): Cause | undefined {
  const until = rollout.steps[stepOf(state, rollout.steps.length)]?.until;
  if (until === undefined || until === 'held') return undefined;
  if (until === 'approved') return because('enough', `approval is asked for: ${state.verdict?.sentence ?? ''}`);
  return state.bakedMs >= until.bakeMs && !isShort(state, seen, rollout) ? because('done') : undefined;
}

function isHeldBy({ phase }: RolloutState, why: string): boolean {
  return phase.name === 'holding' && phase.why === why;
}
