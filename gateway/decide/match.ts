import type { Condition, Match, Range } from '../policy/conditions.ts';
import { NumberSent } from './number-sent.ts';
import type { View } from './view.ts';

/** What a condition looks at in this request; undefined when the request does not have it. */
export function seenBy(condition: Exclude<Condition, { on: 'complexity' }>, view: View): unknown {
  switch (condition.on) {
    case 'header':
      return view.header(condition.name);
    case 'body':
      return view.sentAt(condition.path);
    case 'body_bytes':
      return view.facts.body.length;
    case 'text_length': {
      const text = view.inside?.text;
      return text === undefined ? undefined : characters(text);
    }
  }
}

/**
 * Whether a value is what a condition wants. A value that is not there fits only `{ present: false }`. A number that is
 * wanted fits every way to write its value; a text fits that text, also where it is the digits of a number that was sent.
 */
export function fits(match: Match, value: unknown): boolean {
  if ('present' in match) return match.present === (value !== undefined);
  if ('oneOf' in match) return match.oneOf.some((wanted) => isWanted(String(wanted), value));
  return isIn(match, value);
}

function isWanted(wanted: string, value: unknown): boolean {
  if (value instanceof NumberSent)
    return Number(wanted) === value.value && (wanted === value.text || wanted === value.written);
  return typeof value === 'string' ? wanted === value : typeof value === 'boolean' && wanted === String(value);
}

/** A number as people and JSON write it: what JavaScript takes for one too (0x10, 1_000, an empty text) is a text. */
const DECIMAL = /^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/;

/** Whether a number, or the text of one, lies in a range. NaN and the infinite lie in none. */
export function isIn({ below, atLeast }: Range, value: unknown): boolean {
  const number = numberIn(value);
  return number !== undefined && Number.isFinite(number) && number >= atLeast && number < below;
}

function numberIn(value: unknown): number | undefined {
  if (value instanceof NumberSent) return value.value;
  if (typeof value === 'string') return DECIMAL.test(value.trim()) ? Number(value) : undefined;
  return typeof value === 'number' ? value : undefined;
}

/** What was seen, as `sluice explain` shows it: a number as it was written. */
export function shown(value: unknown): string {
  if (value instanceof NumberSent) return value.written;
  return value === undefined ? 'absent' : JSON.stringify(value);
}

/** Characters as people count them, not UTF-16 units. */
export function characters(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}
