import { unitOf } from '../../decide/bucket.ts';
import type { View } from '../../decide/view.ts';
import { MISSED_WORDS } from '../../flow.ts';
import type { Buckets, ServedModel } from '../../policy/policy.ts';
import { unitText, withoutUnitText } from './policy-text.ts';

/** What a request is sorted by. */
export type Caller = {
  /** `header x-user-id` or `body user.id`. */
  readonly unit: string;
  /** The value, or the key that stands in for one; undefined when it has neither. */
  readonly value: string | undefined;
  /** What the policy says of a request without the unit; undefined when this one has it. */
  readonly without: string | undefined;
  /** Why it has none, in words; not there when it has one, or when nobody asks for one. */
  readonly why?: string;
};

/** Who a request comes from as the experiment and the rollouts of a model see it: each unit once. */
export function callersOf({ experiment, sorting }: ServedModel, view: View): Caller[] {
  const all = [experiment?.buckets, sorting].flatMap((buckets) =>
    buckets === undefined ? [] : [callerOf(buckets, view)],
  );
  return all.filter(
    ({ unit, without }, i) => all.findIndex((other) => other.unit === unit && other.without === without) === i,
  );
}

function callerOf({ unit, withoutUnit }: Pick<Buckets, 'unit' | 'withoutUnit'>, view: View): Caller {
  const own = unitOf({ unit, withoutUnit: 'random' }, view);
  const value = own ?? unitOf({ unit, withoutUnit }, view);
  if (own !== undefined) return { unit: unitText(unit), value, without: undefined };
  const reason = unit.from === 'random' ? undefined : view.missed?.unit;
  const why = reason === undefined ? {} : { why: MISSED_WORDS[reason] };
  return { unit: unitText(unit), value, without: withoutUnitText(withoutUnit), ...why };
}
