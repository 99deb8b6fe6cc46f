// What a tick works with, and what becomes of an order.
import type { Observation } from '../judge/evidence/observation.ts';
import type { StateDocument } from '../judge/rollout/document.ts';
import type { Action } from '../judge/rollout/move.ts';
import type { RolloutState } from '../judge/rollout/state.ts';
import type { Rollout, Version } from '../policy/policy.ts';
import type { RolloutStates } from '../store/store.ts';
import type { Replicas } from './replicas.ts';
import type { Rollouts } from './rollouts.ts';
import type { Held } from './watched.ts';

export type PerTickDeps = {
  readonly rollouts: Rollouts;
  readonly store: RolloutStates;
  /** What other gateways count; undefined where there is none. */
  readonly replicas: Replicas | undefined;
  readonly withheld: () => ReadonlyMap<Version, string>;
  /**
   * The parts of the traffic that the candidate's servers, and the baseline's, are enough for; whether the former are warm, and
   * whether the latter have answered anyone.
   */
  readonly serversOf: (rollout: Rollout) => Pick<Observation, 'capacity' | 'room' | 'isWarm' | 'isAsked'>;
  /** Candidates that are to be warmed up with copies of real requests. */
  readonly warmUp: (rollouts: readonly Rollout[]) => void;
  /** What was gathered since the last move, over a restart; `load` gives what was saved last. */
  readonly progress: {
    readonly load: () => Promise<readonly unknown[]>;
    readonly save: (documents: readonly StateDocument[]) => Promise<void>;
  };
  /** Whether the judge may move rollouts; false is the kill switch. */
  readonly isAutomatic: boolean;
  /** Hears of every move, after it is in effect, and whether the other gateways can see it; resolves when it is on record. */
  readonly tell: (action: Action, state: RolloutState, isShared: boolean) => Promise<void>;
  readonly onTrouble: (error: unknown) => void;
  /** Hears of rollouts that are held on their baselines because no one can judge them, and when that is over. */
  readonly onHeld: (held: Held, isOver: boolean) => void;
};

/** What became of an order. */
export type Ordered =
  /** `isShared`: whether the other gateways can see it; otherwise it holds here, and they get it as soon as the store is back. */
  | { readonly kind: 'done'; readonly state: RolloutState; readonly isShared: boolean }
  | { readonly kind: 'refused'; readonly sentence: string }
  /** The rollout has moved since: another order, or another gateway, was first. */
  | { readonly kind: 'outdated'; readonly sentence: string }
  /** It could not be made to last, or not be agreed on with the other gateways. */
  | { readonly kind: 'unavailable'; readonly sentence: string };

export function diskFailed(error: unknown) {
  return { kind: 'unavailable', reason: `the disk does not take it: ${(error as Error).message}` } as const;
}

/** The course of a rollout that the policy no longer has: it may still be rolled back, after a promotion say. */
export const GONE: Pick<Rollout, 'steps' | 'guardTimeMs'> = { steps: [], guardTimeMs: 0 };

/** Whether the candidate's servers are to answer copies now: before its first callers, and before callers ask it again. */
export function wantsWarmth({ phase }: RolloutState): boolean {
  return phase.name === 'pending' || (phase.name === 'suspended' && !phase.isHeld);
}

/** What is counted before a move says nothing of what comes after it. */
export function sharedId({ id, epoch }: RolloutState): string {
  return `rollout/${id}/${epoch}`;
}
