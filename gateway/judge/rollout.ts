// A rollout takes its steps: table-driven, one tick at a time, from what was observed and nothing else.
import type { Rollout } from '../policy/policy.ts';
import type { Crowd, Look } from './callers.ts';
import { areComparable, type Comparisons } from './disagreement.ts';
import { edgesOf } from './edges.ts';
import type { FirstHits } from './first-hits.ts';
import type { Histogram } from './histogram.ts';
import { type Advance, type Cause, move, tell } from './move.ts';
import { fewCallersText } from './sentence.ts';
import { type RolloutState, servedPhaseOf, stepOf } from './state.ts';
import { causeAway, verdictAway } from './suspended.ts';
import { addHits, isSound, type ServerClass, type Traffic } from './tally.ts';
import { plainVerdict, type Verdict, verdictOf } from './verdict.ts';
import { type Evidence, overOf, slowOf, weigh } from './weigh.ts';

/** What was seen since the last tick. */
export type Observation = {
  readonly traffic: Traffic;
  /** Who was hit for the first time in the runs under way, and what callers' own rates say where a look was due. */
  readonly hits: FirstHits;
  readonly looks: readonly Look[];
  /** How many groups of callers asked since the last move. */
  readonly crowd: Crowd;
  readonly comparisons: Comparisons;
  /** The baseline's latencies of the last minutes: where slowness will be asked. Called once a minute. */
  readonly recent: () => Readonly<Record<ServerClass, Histogram>>;
  /** Whether some server can answer for the candidate, and some for the baseline. */
  readonly isReady: boolean;
  /** Whether the candidate's servers have answered enough to be as fast as they will be. */
  readonly isWarm: boolean;
  /** Whether servers of the baseline have answered anyone here, also before this rollout was watched. */
  readonly isAsked: boolean;
  /** The part of the traffic, 0 to 1, that the candidate's servers are enough for. */
  readonly capacity: number;
  /** The part of the traffic, 0 to 1, that the baseline's servers are enough for. */
  readonly room: number;
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
/** How long a candidate waits for copies of real requests before its first callers. */
export const WARM_UP_MS = 10_000;
/** Edges of slowness follow the baseline so often; the first ones are looked for sooner. */
const EDGES_MS = 60_000;
/** How long callers may be gone before they are no excuse any more. */
const EXCUSED_MS = 5 * 60_000;
const FIRST_EDGES_MS = 2000;

const JUDGE = { kind: 'judge' } as const;

/** Makes a cause of the judge's own. */
export type Because = (event: Cause['event'], sentence?: string, more?: Pick<Cause, 'hold' | 'guard'>) => Cause;

/** One tick: takes in what was seen, and moves where the evidence says so. At most one move a tick. */
export function advance(state: RolloutState, seen: Observation, rollout: Rollout, moment: Moment): Advance {
  if (isOver(state)) return { state, actions: [] };
  const judged = judge(state, seen, rollout, moment);
  const cause = moment.isAutomatic ? causeOf(judged, seen, rollout, moment) : undefined;
  if (cause === undefined) return { state: judged, actions: [] };
  if (isOnlySaid(judged, cause, rollout)) return tell(judged, cause, rollout);
  return move(judged, cause, rollout) ?? { state: judged, actions: [] };
}

/**
 * In a dry run all but the start, and the end of a suspension from before it; and what would hold a promotion, which has no step
 * to be held in.
 */
function isOnlySaid({ phase }: RolloutState, { event }: Cause, { guards }: Rollout): boolean {
  if (guards?.action === 'dry_run') return event !== 'ready' && !isAway(phase);
  if (phase.name === 'holding') return event === 'trouble'; // it is held already, for another reason
  return phase.name === 'promoted' && (event === 'freeze' || event === 'trouble');
}

/** Nothing is watched any more: it left, or its guard time after the promotion is over, or the policy has taken it over. */
export function isOver({ phase }: RolloutState): boolean {
  return phase.name === 'rolled_back' || (phase.name === 'promoted' && (phase.guardLeftMs <= 0 || phase.isNamed));
}

function judge(state: RolloutState, seen: Observation, rollout: Rollout, moment: Moment): RolloutState {
  const elapsedMs = Math.max(0, Math.min(moment.elapsedMs, LONGEST_TICK_MS));
  const { candidate, baseline } = seen.traffic;
  if (!isSound(candidate) || !isSound(baseline) || !areComparable(seen.comparisons)) {
    if (state.phase.name === 'pending') return state;
    return { ...state, verdict: plainVerdict('error', 'the counts of the last tick cannot be true') };
  }
  const timed = pass(state, elapsedMs, seen);
  if (timed.phase.name === 'pending') return timed;
  const edged = withEdges(timed, seen, elapsedMs);
  if (timed.phase.name === 'suspended') return { ...edged, verdict: verdictAway(edged, seen, rollout) };
  const { guards } = rollout;
  const evidence = guards
    ? weigh(edged.evidence, {
        traffic: seen.traffic,
        hits: seen.hits,
        looks: seen.looks,
        crowd: seen.crowd,
        comparisons: seen.comparisons,
        guards,
        step: stepOf(state, rollout.steps.length),
        elapsedMs,
        excusedUnits: state.excusedUnits,
        isServed: seen.capacity > 0 || !seen.isReady,
        isBounded: isBounded(state),
        at: moment.at,
      })
    : edged.evidence;
  const weighed = { ...edged, evidence, excusedUnits: stillExcused(edged, evidence) };
  return { ...weighed, verdict: verdictOn(weighed, seen, rollout) };
}

/** A first suspension may come of a burst; what follows it, and what ends a rollout, may not. */
function isBounded({ phase, acquittals }: RolloutState): boolean {
  return phase.name === 'probing' || acquittals > 0;
}

/** Callers who fail whatever the version go on failing: where nobody does for a while, nobody is excused any more. */
function stillExcused({ phase, inPhase, excusedUnits }: RolloutState, { failingUnits }: Evidence): number {
  const isOver = phase.name === 'step' && inPhase.ms >= EXCUSED_MS && failingUnits === 0;
  return isOver ? 0 : excusedUnits;
}

function pass(state: RolloutState, ms: number, seen: Observation): RolloutState {
  const { phase, inPhase } = state;
  const { judged, outcomes } = seen.traffic.candidate;
  const isStep = phase.name === 'step';
  return {
    ...state,
    phase: phase.name === 'promoted' ? { ...phase, guardLeftMs: phase.guardLeftMs - ms } : phase,
    inPhase: {
      ms: inPhase.ms + (canGoOn(state, seen) ? ms : 0),
      waitedMs: inPhase.waitedMs + (canGoOn(state, seen) ? 0 : ms),
      judged: addHits(inPhase.judged, judged),
      slow: addHits(inPhase.slow, slowOf(seen, 'candidate')),
      over: addHits(inPhase.over, overOf(seen, 'candidate')),
      compared: addHits(inPhase.compared, seen.comparisons.raw),
      serverFaults: inPhase.serverFaults + outcomes.server_fault,
    },
    bakedMs: state.bakedMs + (isStep ? ms : 0),
    totalMs: state.totalMs + (isStep ? ms : 0),
    requests: state.requests + (phase.name === 'pending' || phase.name === 'suspended' ? 0 : judged.trials),
  };
}

/** A pause or a probe, like the wait for warmth, counts only while the candidate's servers are there. */
function canGoOn({ phase }: RolloutState, { isReady, capacity }: Observation): boolean {
  const isWaiting = phase.name === 'pending' || phase.name === 'suspended' || phase.name === 'probing';
  return !isWaiting || (isReady && capacity > 0);
}

function withEdges(state: RolloutState, { recent }: Observation, ms: number): RolloutState {
  const hasEdges = state.edges.cpu.length + state.edges.gpu.length > 0;
  const age = state.edgesMs + ms;
  if (age < (hasEdges ? EDGES_MS : FIRST_EDGES_MS)) return { ...state, edgesMs: age };
  const now = recent();
  // An arm that is silent for a while keeps the edges that it had.
  const next = (kind: ServerClass) => {
    const edges = edgesOf(now[kind]);
    return edges.length > 0 ? edges : state.edges[kind];
  };
  return { ...state, edges: { cpu: next('cpu'), gpu: next('gpu') }, edgesMs: 0 };
}

function verdictOn(state: RolloutState, seen: Observation, rollout: Rollout): Verdict {
  const step = stepOf(state, rollout.steps.length);
  const verdict = verdictOf(state.evidence, {
    candidate: state.candidate,
    baseline: state.baseline,
    guards: rollout.guards,
    probe: state.phase.name === 'probing' ? state.probes : undefined,
    acquittals: state.acquittals,
    requests: state.requests,
    minRequests: rollout.minRequests,
    isLast: step >= rollout.steps.length - 1,
    maxDisagreement: rollout.maxDisagreement,
  });
  const isAlone = rollout.guards !== undefined && isWithoutControl(state, rollout) && !hasBaseline(seen);
  const few = rollout.guards === undefined || verdict.kind === 'fail' ? undefined : fewCallersText(state);
  const notes = [
    ...(few === undefined || isWithoutControl(state, rollout) ? [] : [few]),
    ...(state.phase.name === 'probing' && verdict.kind !== 'fail' ? [verdictAway(state, seen, rollout).sentence] : []),
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
function isWithoutControl(state: RolloutState, rollout: Rollout): boolean {
  if (state.phase.name === 'probing') return false;
  const step = stepOf(state, rollout.steps.length);
  const share = rollout.steps[step]?.share ?? 1;
  const block = rollout.blocks[step];
  return share === 1 && (block === undefined || block.to - block.from === 1_000_000);
}

function hasBaseline({ traffic }: Observation): boolean {
  return traffic.baseline.judged.trials > 0;
}

/** The one thing that is to happen now, the gravest first. */
function causeOf(state: RolloutState, seen: Observation, rollout: Rollout, { at }: Moment): Cause | undefined {
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

function isAway({ name }: RolloutState['phase']): boolean {
  return name === 'suspended' || name === 'probing';
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
