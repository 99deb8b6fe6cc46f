import type { Rollout, ServedModel } from '../policy/policy.ts';
import { digestOf, drawSlots, isIn, slotIn, unitIdIn, unitOf } from './bucket.ts';
import type { Trace, View } from './view.ts';

/** Whose request it is, and the rollout whose candidate answers it; undefined for the baseline. */
export type Placed = {
  readonly rollout: Rollout | undefined;
  readonly unit: string | undefined;
  readonly unitId: number | undefined;
};

/**
 * Where the model's rollouts put this request; none when it has none, and `no_unit` when the policy turns away requests
 * that it cannot sort.
 * The rollouts of a model share one bucket space in which each owns a block, so a caller is in at most one of them.
 */
export function canary(
  { sorting, sortingPrefix, sortingSalt, end, rollout, rollouts }: ServedModel,
  view: View,
  random: number,
  trace?: Trace,
): Placed | 'none' | 'no_unit' {
  if (sorting === undefined) return 'none';
  const unit = unitOf(sorting, view);
  if (unit === undefined && sorting.withoutUnit === 'reject') return 'no_unit';
  const digest = unit === undefined ? undefined : digestOf(sortingPrefix, unit);
  const slot = digest === undefined ? drawSlots(random)[0] : slotIn(digest);
  const unitId = digest === undefined ? undefined : unitIdIn(digest);
  if (slot >= end && trace === undefined) return { rollout: undefined, unit, unitId };
  if (trace !== undefined) tell(sortingSalt, rollouts, unit, slot, trace);
  if (rollout !== undefined && isIn(rollout.live, slot)) return { rollout, unit, unitId };
  return { rollout: rollouts.find(({ live }) => isIn(live, slot)), unit, unitId };
}

function tell(salt: string, rollouts: readonly Rollout[], unit: string | undefined, slot: number, trace: Trace): void {
  const from = unit === undefined ? 'drawn at random' : `of "${unit}" under salt ${salt}`;
  for (const { id, live } of rollouts) {
    const where = isIn(live, slot) ? 'inside' : 'outside';
    trace(`rollout ${id}`, `slot ${slot} ${from}; ${where} its block [${live.from}, ${live.to})`);
  }
}
