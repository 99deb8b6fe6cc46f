// A rollout of the policy in force, with what is counted for it here.
import type { Arms } from '../judge/evidence/arms.ts';
import type { Crowd, Look } from '../judge/evidence/callers.ts';
import { type Comparisons, NO_COMPARISONS } from '../judge/evidence/disagreement.ts';
import type { FirstHits } from '../judge/evidence/first-hits.ts';
import { Memory } from '../judge/evidence/memory.ts';
import { emptyTally, type Traffic } from '../judge/evidence/tally.ts';
import type { sumOf, Window } from '../judge/evidence/window.ts';
import type { RolloutState } from '../judge/rollout/state.ts';
import type { Rollout } from '../policy/policy.ts';

/** A rollout of the policy in force, with what is counted for it here. */
export type Watched = {
  rollout: Rollout;
  readonly model: string;
  /** Made when the first answer is counted. */
  arms: Arms | undefined;
  /** Who was counted since the last move. */
  readonly memory: Memory;
  /** Of the baseline. */
  window: Window;
  takenAt: number;
  /** Pairs of this candidate's shadow since the last tick. */
  comparisons: Comparisons;
  /** Where answers of the baseline count: beside the candidate, or as its own once it is promoted. */
  baselineArm: 'baseline' | 'candidate';
  /** The candidate's part of the units of both arms; 0 while it has none or all of them. */
  coin: number;
};

/** A rollout that is held on its baseline because no one can judge it, and why. */
export type Held = { readonly id: string; readonly sentence: string };

/** What one rollout showed since it was last asked. */
export type Seen = {
  readonly rollout: Rollout;
  readonly state: RolloutState;
  readonly traffic: Traffic;
  readonly comparisons: Comparisons;
  readonly recent: () => ReturnType<typeof sumOf>;
  readonly elapsedMs: number;
  /** What this gateway remembers of the callers in some traffic; called once a tick, with that of all gateways. */
  readonly observe: (traffic: Traffic) => {
    readonly hits: FirstHits;
    readonly looks: readonly Look[];
    readonly crowd: Crowd;
  };
};

export const NO_STATES: readonly RolloutState[] = [];
export const QUIET: Traffic = { candidate: emptyTally(), baseline: emptyTally(), coin: 0 };

export function watch(model: string, rollout: Rollout, before: Watched | undefined): Watched {
  if (before === undefined || before.model !== model || before.rollout.candidate.label !== rollout.candidate.label)
    return {
      model,
      rollout,
      arms: undefined,
      memory: new Memory(),
      window: [],
      takenAt: 0,
      comparisons: NO_COMPARISONS,
      baselineArm: 'baseline',
      coin: 0,
    };
  before.rollout = rollout; // the same object, so that answers on their way count
  return before;
}

export function isFinal({ phase }: RolloutState): boolean {
  return phase.name === 'promoted' || phase.name === 'rolled_back';
}

export function isGuardTimeOnly(before: RolloutState | undefined, { phase }: RolloutState): boolean {
  return before?.phase.name === 'promoted' && phase.name === 'promoted' && before.phase.isNamed === phase.isNamed;
}

export function isNews(state: RolloutState, own: RolloutState | undefined): boolean {
  return own === undefined || state.phase.name === 'rolled_back' || state.epoch > own.epoch;
}
