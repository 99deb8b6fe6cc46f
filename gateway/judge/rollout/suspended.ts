// What happens while a candidate's callers are with the baseline: when a probe asks again, and what is made of it.
import type { Rollout } from '../../policy/policy.ts';
import type { Observation } from '../evidence/observation.ts';
import type { Verdict } from '../verdict/reading.ts';
import { durationText, fewCallersText, seenText } from '../verdict/sentence.ts';
import { OCCASIONS, plainVerdict } from '../verdict/verdict.ts';
import type { Cause } from './move.ts';
import { isEnough, isUnanswered, MOST_CRASHES, MOST_PROBES, pauseOf, seenInProbe } from './probe.ts';
import type { RolloutState, Suspension } from './state.ts';

/** How long a probe may go on while all or many of its requests fail: of fewer than three callers, who prove nothing, and of more. */
const HOPELESS_MS = { few: 30_000, many: 60_000 } as const;
/** Makes a cause of the judge's own. */
export type Because = (event: Cause['event'], sentence?: string, more?: Pick<Cause, 'hold' | 'guard'>) => Cause;

/** How long a candidate waits for copies of real requests before its first callers. */
export const WARM_UP_MS = 10_000;
/** Evidence of a probe that is no proof, and more than chance. */
const SUSPICIOUS = 10;
/** Relapses in a row after which a person decides. */
const MOST_RELAPSES = 4;
/** How long a suspension waits for the candidate's servers. */
const LONGEST_WAIT_MS = 10 * 60_000;
/** Server faults in a probe, and the part of its requests, at which its servers are taken to fail again. */
const CRASHED = { requests: 5, part: 0.5 } as const;

/** What is to be said of a candidate whose callers are with the baseline. */
export function verdictAway(state: RolloutState, seen: Observation, rollout: Rollout): Verdict {
  return plainVerdict('insufficient', awayText(state, seen, rollout));
}

/** The next move of a suspension or a probe; undefined while there is nothing to do. */
export function causeAway(
  state: RolloutState,
  seen: Observation,
  rollout: Rollout,
  because: Because,
): Cause | undefined {
  const { phase } = state;
  if (phase.name === 'suspended') return whenSuspended(state, phase, seen, rollout, because);
  return phase.name === 'probing' ? whenProbing(state, phase, because) : undefined;
}

function whenSuspended(
  { inPhase, candidate, relapses }: RolloutState,
  { suspension, isHeld }: { suspension: Suspension; isHeld: boolean },
  { isReady, isWarm, capacity }: Observation,
  rollout: Rollout,
  because: Because,
): Cause | undefined {
  if (isHeld) return undefined;
  if (suspension.failedProbes >= MOST_PROBES)
    return because(
      'give_up',
      `${suspension.failedProbes} probes found the same, with too little evidence to end the rollout: a person decides (resume or rollback); ${suspension.sentence}`,
    );
  if (relapses >= MOST_RELAPSES)
    return because(
      'give_up',
      `suspended ${relapses + 1} times within minutes of its callers' return, and every probe found nothing: a person decides (resume or rollback); ${suspension.sentence}`,
    );
  if (inPhase.waitedMs >= LONGEST_WAIT_MS)
    return because(
      'give_up',
      `the servers of ${candidate} have not been back for ${durationText(inPhase.waitedMs)}: a person decides (resume or rollback); ${suspension.sentence}`,
    );
  const pause = pauseOf(suspension, rollout);
  const left = pause - inPhase.ms;
  if (left > 0 || !isReady || capacity === 0) return undefined;
  return isWarm || -left >= WARM_UP_MS
    ? because('probe', `after ${durationText(pause)} some callers ask ${candidate} again`)
    : undefined;
}

function whenProbing(
  state: RolloutState,
  { suspension, isOwnBlock }: { suspension: Suspension; isOwnBlock: boolean },
  because: Because,
): Cause | undefined {
  const { verdict, inPhase, evidence, candidate } = state;
  if (verdict?.kind === 'fail') return because('fail', `again, in a probe: ${verdict.sentence}`);
  if (haveServersFailed(state)) return whenUnanswered(state, suspension, because);
  const seen = seenInProbe(suspension, inPhase);
  if (isUnanswered(seen) && !isOwnBlock)
    return because('widen', `nobody else asked ${candidate}: its own callers are to ask again`);
  const isOpen = evidence.breaker === 'open';
  const enough = isOpen && isHopeless(state) ? 'over' : isEnough(suspension, seen);
  if (enough === 'not yet') return undefined;
  if (isOpen || verdict?.kind === 'error' || loudest(verdict) >= SUSPICIOUS)
    return because(
      'failed',
      `again, in a probe, though with too little evidence to end it: ${verdict?.sentence ?? ''}`,
      {
        guard: suspension.guard,
      },
    );
  return because('passed', `a probe found nothing: ${seenText(suspension.guard, seen.hits, candidate)}`);
}

/** Callers who have failed for long enough: what they have not shown by now they need not suffer any longer for. */
function isHopeless({ inPhase: { ms }, evidence: { failingUnits } }: RolloutState): boolean {
  return ms >= (failingUnits < OCCASIONS ? HOPELESS_MS.few : HOPELESS_MS.many);
}

function haveServersFailed({ inPhase: { serverFaults, judged } }: RolloutState): boolean {
  return serverFaults >= CRASHED.requests && serverFaults >= CRASHED.part * (serverFaults + judged.trials);
}

/**
 * Servers that fail whenever the candidate is asked, while they are well before: after some of it the version is to blame. Not
 * while those of the baseline fail as well.
 */
function whenUnanswered(state: RolloutState, { crashes }: Suspension, because: Because): Cause {
  const { candidate, baseline, inPhase, evidence } = state;
  const text = `the servers of ${candidate} left ${inPhase.serverFaults} requests of a probe without an answer`;
  if (evidence.breaker === 'shared')
    return because('failed', `${text}, and so did those of ${baseline}`, { guard: 'consecutive_failures' });
  if (crashes + 1 >= MOST_CRASHES) return because('fail', `${text}, ${crashes + 1} times in a row: it crashes them`);
  return because('failed', text, { guard: 'servers' });
}

function loudest(verdict: Verdict | undefined): number {
  return Math.max(0, ...(verdict?.readings ?? []).map(({ evidence }) => evidence));
}

function awayText(state: RolloutState, { isReady, capacity, isWarm }: Observation, rollout: Rollout): string {
  const { phase, inPhase, candidate, baseline } = state;
  if (phase.name !== 'suspended') return '';
  const { suspension } = phase;
  const lead = `suspended, its callers are with ${baseline}: ${suspension.sentence}`;
  if (phase.isHeld) {
    const few = fewCallersText(state);
    return `${lead}; held: a person decides (resume or rollback)${few === undefined ? '' : `; ${few}`}`;
  }
  if (!isReady || capacity === 0) return `${lead}; a probe waits for the servers of ${candidate}`;
  const left = pauseOf(suspension, rollout) - inPhase.ms;
  return left > 0 || isWarm
    ? `${lead}; a probe follows in ${durationText(left)}`
    : `${lead}; its servers are being warmed up`;
}
