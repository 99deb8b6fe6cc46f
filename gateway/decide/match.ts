import type { Condition, Match, Range } from '../policy/policy.ts';
import { valueAt } from './inside.ts';
import type { View } from './view.ts';

/** What a condition looks at in this request; undefined when the request does not have it. */
export function seenBy(condition: Exclude<Condition, { on: 'complexity' }>, view: View): unknown {
  switch (condition.on) {
    case 'header':
      return view.header(condition.name);
    case 'body':
      return valueAt(view.inside?.json, condition.path);
    case 'body_bytes':
      return view.facts.body.length;
    case 'text_length': {
      const text = view.inside?.text;
      return text === undefined ? undefined : characters(text);
    }
  }
}

/** Whether a value is what a condition wants. A value that is not there fits only `{ present: false }`. */
export function fits(match: Match, value: unknown): boolean {
  if ('present' in match) return match.present === (value !== undefined);
  if (value === undefined) return false;
  if ('oneOf' in match) return match.oneOf.some((wanted) => wanted === value || String(wanted) === value);
  return isIn(match, value);
}

/** Whether a number, or the text of one, lies in a range. NaN and the infinite lie in none. */
export function isIn({ below, atLeast }: Range, value: unknown): boolean {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof number === 'number' && Number.isFinite(number) && number >= atLeast && number < below;
}

/** Characters as people count them, not UTF-16 units. */
export function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
