import { type Action, type Course, move, phaseText } from './move.ts';
import type { By, Rollback, RolloutState } from './state.ts';

/** What a person or an alert asks of a rollout. */
export type Order = {
  readonly what: 'promote' | 'pause' | 'resume' | 'rollback';
  readonly by: By;
  /** ISO wall-clock time: now for a person, the alert's own start for an alert. */
  readonly at: string;
  readonly sentence: string;
};

/** What must be so in the moment of an order, for the one who gave it saw it so. */
export type Expected = {
  /** The rollout's epoch is one of these. */
  readonly epochs?: readonly string[] | undefined;
  readonly phase?: 'awaiting_approval';
};

export type Obeyed =
  | { readonly state: RolloutState; readonly actions: readonly Action[] }
  /** Why it cannot be done, for the one who asked. */
  | { readonly refused: string };

/**
 * Carries out an order. A rollback is legal from every state; of a rollout that is rolled back already it is granted
 * without effect, but that the earliest reason is the one that is kept: so the order in which alerts arrive, and how
 * often, makes no difference.
 */
export function obey(state: RolloutState, { what, by, at, sentence }: Order, rollout: Course): Obeyed {
  const { phase } = state;
  if (phase.name === 'rolled_back' && what === 'rollback') {
    const again: Rollback = { ...phase.rollback, at, by, guard: undefined, sentence, examples: [] };
    const rollback = earlier(phase.rollback, again);
    return { state: rollback === phase.rollback ? state : { ...state, phase: { ...phase, rollback } }, actions: [] };
  }
  const hold = what === 'pause' ? ({ hold: 'paused' } as const) : {};
  const moved = move(state, { event: what, by, at, sentence, ...hold }, rollout);
  return (
    moved ?? { refused: `rollout ${state.id} is ${phaseText(phase)}: ${what} is not possible${adviceFor(phase.name)}` }
  );
}

function adviceFor(phase: RolloutState['phase']['name']): string {
  switch (phase) {
    case 'rolled_back':
      return '; a new attempt takes a new id';
    case 'pending':
      return ' before its candidate can be served';
    case 'suspended':
    case 'probing':
      return ' while its callers are with the baseline; resume gives them back, rollback ends it, pause keeps it as it is';
    default:
      return '';
  }
}

/** The one of two reasons that came first; any two replicas choose the same. */
export function earlier(a: Rollback, b: Rollback): Rollback {
  if (a.at !== b.at) return a.at < b.at ? a : b;
  return JSON.stringify(a) <= JSON.stringify(b) ? a : b;
}
