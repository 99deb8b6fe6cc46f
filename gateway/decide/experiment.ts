import type { Arm, Experiment } from '../policy/policy.ts';
import { drawSlots, isIn, slotOf, slotUnder, unitOf } from './bucket.ts';
import type { Trace, View } from './view.ts';

/** The arm that answers this request, the holdout, or none; `no_unit` when the policy turns away what it cannot sort. */
export function experiment(
  { id, buckets, arms, holdout }: Experiment,
  view: View,
  random: number,
  trace?: Trace,
): Arm | 'holdout' | 'none' | 'no_unit' {
  const unit = unitOf(buckets, view);
  if (unit === undefined && buckets.withoutUnit === 'reject') return 'no_unit';
  const [, armDraw, holdoutDraw] = drawSlots(random);
  if (holdout.live.to > 0) {
    const slot = unit === undefined ? holdoutDraw : slotOf(holdout.salt, unit);
    const isHeld = isIn(holdout.live, slot);
    trace?.(
      `holdout of ${id}`,
      `slot ${slot} under salt ${holdout.salt}; ${isHeld ? 'inside' : 'outside'} [${holdout.live.from}, ${holdout.live.to})`,
    );
    if (isHeld) return 'holdout';
  }
  const slot = unit === undefined ? armDraw : slotUnder(buckets.prefix, unit);
  const arm = arms.find(({ live }) => isIn(live, slot));
  const from = unit === undefined ? 'drawn at random' : `of "${unit}" under salt ${buckets.salt}`;
  trace?.(`experiment ${id}`, `slot ${slot} ${from}; ${arm === undefined ? 'in no arm' : `arm ${arm.version.label}`}`);
  return arm ?? 'none';
}
