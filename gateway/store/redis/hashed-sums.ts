// Sums as a hash of Redis holds them.
import { exactlyIn } from '../../statistics/exact-sum.ts';
import { addRest, isExact, isKey } from '../../statistics/sums.ts';
import type { Damages } from '../damage.ts';
import { numberIn } from './foreign-keys.ts';

/** Of a sum whose rest is kept the first 24 bits go by themselves: Redis, with 64, adds them up without rounding. */
export function partsOf(field: string, by: number): readonly (readonly [field: string, by: number])[] {
  const high = isExact(field) ? Math.fround(by) : by;
  if (high === by || !Number.isFinite(high)) return [[field, by]];
  return [
    [field, high],
    [`${field}Rest`, by - high],
  ];
}

/** The sums in a hash; what is no key or no number is left out. */
export function sumsIn(hash: Readonly<Record<string, string>>, key: string, damages: Damages): Map<string, number> {
  const problems: string[] = [];
  const say = (problem: string) => problems.push(problem);
  const sums = new Map<string, number>();
  for (const [field, text] of Object.entries(hash)) {
    const value = numberIn(text, Number.NEGATIVE_INFINITY, say);
    if (!isKey(field)) say(`"${field.slice(0, 80)}" is not a name that Sluice writes`);
    else if (value !== undefined) sums.set(field, value);
  }
  // Redis adds up with more digits than a double has.
  for (const [field, text] of Object.entries(hash))
    if (isExact(field) && sums.has(field)) addRest(sums, field, exactlyIn(text).rest);
  damages.saw(key, problems);
  return sums;
}
