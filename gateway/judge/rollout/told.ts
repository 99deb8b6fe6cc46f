// A rollout as it is told: to the audit log and whoever is notified, to metrics, and on the status page.
import type { Block, Rollout } from '../../policy/policy.ts';
import { weighedGuards } from '../verdict/budget.ts';
import type { Guard, Reading, Verdict } from '../verdict/reading.ts';
import { durationText, fewCallersText, percent, seenText } from '../verdict/sentence.ts';
import { type Choice, choicesOf } from './choices.ts';
import { liveOf, ownBlock } from './live.ts';
import { type Action, phaseText } from './move.ts';
import { MOST_PROBES, pauseOf, probeBlock, seenInProbe, widenedBlock } from './probe.ts';
import { type By, type Rollback, type RolloutState, type Suspension, servedPhaseOf, stepOf } from './state.ts';

const SLOTS = 1_000_000;

/** A move with the names that it is about. */
export function transitionOf({ id, verdict, ...action }: Action, { model, candidate, baseline, phase }: RolloutState) {
  const examples = phase.name === 'rolled_back' ? phase.rollback.examples : (verdict?.examples ?? []);
  return { ...action, model, rollout: id, candidate, baseline, examples };
}

/** What metrics read of a rollout; `isUnjudged` says that it is held on its baseline because no one can judge it. */
export function readingOf(rollout: Rollout, state: RolloutState, others: readonly Rollout[], isUnjudged = false) {
  const { model, candidate, verdict, phase } = state;
  const evidence = (verdict?.readings ?? []).map(({ guard, evidence, needed }) => ({ guard, part: evidence / needed }));
  return {
    model,
    rollout: rollout.id,
    candidate,
    phase: phase.name,
    share: shareNow(rollout, state, others, isUnjudged),
    evidence,
    suspended: guardsOf(rollout).map((guard) => ({ guard, is: guard === suspendedBy(state) })),
    held: WAITS.map((why) => ({ why, is: why === waitsFor(state) })),
    isUnjudged,
  };
}

/** Every guard that may suspend the candidate. */
function guardsOf({ guards }: Rollout): readonly Guard[] {
  return guards === undefined ? [] : [...weighedGuards(guards), 'consecutive_failures', 'servers'];
}

function suspendedBy({ phase }: RolloutState): Guard | undefined {
  return phase.name === 'suspended' || phase.name === 'probing' ? phase.suspension.guard : undefined;
}

/** Why a rollout does not go on by itself. `gave_up`: the judge cannot end it with certainty, and cannot let it go on. */
const WAITS = ['gave_up', 'paused', 'frozen', 'inconclusive', 'cannot_tell', 'no_room'] as const;

function waitsFor({ phase }: RolloutState): (typeof WAITS)[number] | undefined {
  if (phase.name === 'holding') return phase.why;
  if (phase.name !== 'suspended' || !phase.isHeld) return undefined;
  return phase.hasGivenUp ? 'gave_up' : 'paused';
}

/** Why no one can judge a rollout, and what a person does about it. */
export type Unjudged = { readonly id: string; readonly sentence: string; readonly next: string };

/** A rollout that is held on its baseline because its state cannot be read, or because judging it failed. */
export function unjudgedOf({ id, sentence }: Omit<Unjudged, 'next'>, isUnreadable: boolean): Unjudged {
  const next = isUnreadable
    ? 'end it with a rollback and start a new id, or run the release of Sluice that wrote the state, or restore the state from a backup'
    : 'it is tried again every second; end it with a rollback, or report the error that the log has under "the judge"';
  return { id, sentence, next };
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
    | (Pick<Suspension, 'guard' | 'sentence' | 'failedProbes' | 'since'> & {
        readonly is: 'paused' | 'probing' | 'held';
        /** Milliseconds until the next probe; 0 when it is under way or waits for servers. */
        readonly probeInMs: number;
        /** The part of all callers that the probe asks, and whether they had the candidate before. */
        readonly asked: { readonly share: number; readonly isOwn: boolean };
        /** Who answers now, and what happens next, in words. */
        readonly now: string;
        readonly next: string;
      })
    | undefined;
  /** Set while it is held on its baseline because no one can judge it. */
  readonly unjudged: Unjudged | undefined;
  /** What a person can do now. */
  readonly choices: readonly Choice[];
  /** Probes so far, and suspensions of this step that turned out to be nothing. */
  readonly probes: number;
  readonly acquittals: number;
  readonly rolledBack: (Pick<Rollback, 'at' | 'sentence' | 'examples'> & { readonly by: By }) | undefined;
};

/** Where a rollout stands, for people. */
export function standingOf(
  rollout: Rollout,
  state: RolloutState,
  others: readonly Rollout[],
  unjudged?: Unjudged,
): RolloutStanding {
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
    share: shareNow(rollout, state, others, unjudged !== undefined),
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
    suspended: suspendedOf(rollout, state, others),
    unjudged,
    choices: choicesOf(state, rollout, unjudged !== undefined),
    probes: state.probes,
    acquittals: state.acquittals,
    rolledBack: phase.name === 'rolled_back' ? phase.rollback : undefined,
  };
}

function suspendedOf(rollout: Rollout, state: RolloutState, others: readonly Rollout[]): RolloutStanding['suspended'] {
  const { phase, inPhase } = state;
  if (phase.name !== 'suspended' && phase.name !== 'probing') return undefined;
  const { guard, sentence, failedProbes, since } = phase.suspension;
  const is = phase.name === 'probing' ? 'probing' : phase.isHeld ? 'held' : 'paused';
  const probeInMs = is === 'paused' ? Math.max(0, pauseOf(phase.suspension, rollout) - inPhase.ms) : 0;
  const asked = askedOf(rollout, state, others);
  const about = { guard, sentence, failedProbes, since, is, probeInMs, asked } as const;
  return { ...about, now: nowText(state, about), next: nextText(state, about) };
}

type About = Pick<NonNullable<RolloutStanding['suspended']>, 'is' | 'probeInMs' | 'asked' | 'failedProbes'>;

/** Who is asked in the probe under way, or in the next one. */
function askedOf(rollout: Rollout, state: RolloutState, others: readonly Rollout[]): About['asked'] {
  const { phase, probes } = state;
  const own = ownBlock(state, rollout, stepOf(state, rollout.steps.length));
  const isNobodyElse = phase.name === 'suspended' && phase.suspension.isNobodyElse;
  const isOwnBlock = phase.name === 'probing' ? phase.isOwnBlock : isNobodyElse;
  const block = isOwnBlock
    ? widenedBlock(own)
    : probeBlock(own, rollout, others, phase.name === 'probing' ? probes : probes + 1);
  return { share: sizeOf(block) / SLOTS, isOwn: block.from < own.to && own.from < block.to };
}

function nowText({ inPhase, candidate, baseline, phase }: RolloutState, { asked }: About): string {
  if (phase.name !== 'probing') return `all callers are with ${baseline}`;
  const { suspension } = phase;
  const { hits } = seenInProbe(suspension, inPhase);
  const found = hits.trials === 0 ? 'nothing was judged yet' : seenText(suspension.guard, hits, candidate);
  return `a probe has been under way for ${durationText(inPhase.ms)}: ${whoText(asked, candidate)} ask ${candidate} again, ${found}; everyone else is with ${baseline}`;
}

function nextText(state: RolloutState, about: About): string {
  const { candidate } = state;
  const { is, probeInMs, asked, failedProbes } = about;
  if (is === 'held') return heldText(state, about);
  const found = failedProbes === 0 ? '' : ` ${failedProbes} of ${MOST_PROBES} probes found the same so far.`;
  const outcome = `if the evidence recurs, the rollout ends; if ${candidate} does well, it gets its callers back.${found}`;
  if (is === 'probing') return outcome;
  const when = probeInMs > 0 ? `in ${durationText(probeInMs)}` : `when the servers of ${candidate} are ready and warm`;
  return `${when} a probe: ${whoText(asked, candidate)} ask ${candidate} again; ${outcome}`;
}

function heldText(state: RolloutState, { failedProbes }: About): string {
  const { phase } = state;
  if (phase.name === 'suspended' && failedProbes < MOST_PROBES)
    return phase.hasGivenUp
      ? `a person decides, and no probe follows: ${phase.because}.`
      : `a person decides: someone paused it (${phase.because}), and no probe follows.`;
  const few = fewCallersText(state);
  const why = `${failedProbes} probes found the same, with too little evidence to end the rollout (${units(state.evidence.failingUnits)} failed in the last one)`;
  return `a person decides: ${why}${few === undefined ? '' : `; ${few}`}.`;
}

function whoText({ share, isOwn }: About['asked'], candidate: string): string {
  return `callers that ${candidate} ${isOwn ? 'had' : 'did not have'} (${percent(share)} of all)`;
}

function units(count: number): string {
  return count === 1 ? '1 caller' : `${count} callers`;
}

function shareNow(rollout: Rollout, state: RolloutState, others: readonly Rollout[], isUnjudged: boolean): number {
  const live = liveOf(state, rollout, others);
  if (live.is === 'promoted') return 1;
  return live.is === 'live' && !isUnjudged ? sizeOf(live.block) / SLOTS : 0;
}

function sizeOf({ from, to }: Block): number {
  return to - from;
}
