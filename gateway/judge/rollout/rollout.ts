// A rollout takes its steps: table-driven, one tick at a time, from what was observed and nothing else.
import type { Rollout } from '../../policy/policy.ts';
import { areComparable } from '../evidence/disagreement.ts';
import { edgesOf } from '../evidence/edges.ts';
import type { Moment, Observation } from '../evidence/observation.ts';
import { addHits, isSound, type ServerClass } from '../evidence/tally.ts';
import { overOf, slowOf } from '../evidence/tick.ts';
import { causeOf, isShort, nextShare } from '../verdict/cause.ts';
import type { Verdict } from '../verdict/reading.ts';
import { fewCallersText } from '../verdict/sentence.ts';
import { plainVerdict, verdictOf } from '../verdict/verdict.ts';
import { type Evidence, weigh } from '../verdict/weigh.ts';
import { type Advance, type Cause, move, tell } from './move.ts';
import { isAway, type RolloutState, stepOf } from './state.ts';
import { verdictAway } from './suspended.ts';

/** A process that was stopped or starved has not been watching: such a gap is no bake time. */
const LONGEST_TICK_MS = 5000;
/** Edges of slowness follow the baseline so often; the first ones are looked for sooner. */
const EDGES_MS = 60_000;
/** How long callers may be gone before they are no excuse any more. */
const EXCUSED_MS = 5 * 60_000;
const FIRST_EDGES_MS = 2000;

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
    ...(isAlone ? [`nobody is on ${state.baseline}, so nothing is compared with it`] : []),
    ...(isShort(state, seen, rollout) ? [waitText(state, seen, rollout)] : []),
  ];
  return notes.length === 0 ? verdict : { ...verdict, sentence: [verdict.sentence, ...notes].join('; ') };
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
