// What a person can do with a rollout now, and what comes of it. Pages and commands offer these and no others.
import type { Rollout } from '../../policy/policy.ts';
import type { Order } from './order.ts';
import { type RolloutState, stepOf } from './state.ts';
import { targetOf } from './transitions.ts';

/** An order that will not be refused, and its effect in words. */
export type Choice = { readonly what: Order['what']; readonly effect: string };

const ORDERS = ['promote', 'resume', 'pause', 'rollback'] as const;

/** The orders that are possible now. Of a rollout that no one can judge, a rollback alone. */
export function choicesOf(state: RolloutState, rollout: Rollout, isUnjudged: boolean): readonly Choice[] {
  const { phase } = state;
  const isHeld = phase.name === 'suspended' && phase.isHeld;
  const isPaused = isHeld || (phase.name === 'holding' && phase.why === 'paused');
  const offered = isUnjudged ? (['rollback'] as const) : ORDERS;
  return offered
    .filter((what) => targetOf(phase.name, what) !== undefined && !(what === 'pause' && isPaused))
    .map((what) => ({ what, effect: effectOf(what, state, rollout) }));
}

function effectOf(what: Order['what'], state: RolloutState, { steps }: Rollout): string {
  const { phase, candidate, baseline } = state;
  const isAway = phase.name === 'suspended' || phase.name === 'probing';
  const next = stepOf(state, steps.length) + 2;
  switch (what) {
    case 'promote':
      return next > steps.length ? `${candidate} becomes the baseline` : `the rollout goes on to step ${next}`;
    case 'resume':
      return isAway
        ? `${candidate} gets its callers back now, its evidence begins anew, and if it fails again, it is suspended again`
        : 'the rollout goes on with this step';
    case 'pause':
      return isAway
        ? `all callers stay with ${baseline}, and no probe follows until someone resumes it`
        : `the rollout stays in this step, and ${candidate} keeps its callers`;
    case 'rollback':
      return `the rollout ends for good, all callers are with ${baseline}, and a new attempt needs a new id`;
    default:
      return what satisfies never;
  }
}
