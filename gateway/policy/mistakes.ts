// What zod found wrong, in words for the person who edits the file.
import type { z } from 'zod';
import { kindsAt, knownKeys } from './schema-walk.ts';
import { didYouMean } from './suggest.ts';
import { EXPECTED_TEXT } from './words.ts';

/** A mistake at a path into the file, such as ['models', 'digits', 'baseline']. */
export type Mistake = {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** Where it stands: at the value, at the last key of the path, or at an offset into the text that has no path. */
  readonly at?: 'value' | 'key' | number;
};

/** What was written: its value, and the words and numbers in it whose text is not the one that their value has. */
export type Written = { readonly value: unknown; readonly unusual: readonly Unusual[] };

/** A number or a truth value whose text is not the one that its value has: `1.10`, `1e3`, `True`. */
export type Unusual = {
  readonly path: readonly PropertyKey[];
  readonly source: string;
  readonly value: number | boolean;
};

/** Values that are texts to the person and something else to YAML, where the policy would take either. */
export function ambiguousIn({ unusual }: Written): Mistake[] {
  return unusual
    .filter(({ path }) => kindsAt(path).has('string'))
    .map(({ path, source, value }) => ({
      path,
      message: `YAML reads ${source} as ${value}; put quotes around it if it is meant as text, or write ${value}`,
    }));
}

/** The mistakes behind zod's issues with what was written. */
export function mistakesOf(issues: readonly z.core.$ZodIssue[], written: Written): Mistake[] {
  // What is missing beside a mistyped key follows from the mistyped key.
  const mistyped = new Set(
    issues.filter(({ code }) => code === 'unrecognized_keys').map(({ path }) => path.join('\n')),
  );
  return issues
    .filter(({ code, path }) => code !== 'custom' || !mistyped.has(path.join('\n')))
    .flatMap((issue) => mistakesOfOne(issue, written));
}

/** Each unknown key is a mistake of its own. */
function mistakesOfOne(issue: z.core.$ZodIssue, written: Written): Mistake[] {
  const { path } = issue;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, knownKeys(path)), at: 'key' }));
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ path, message, at: 'key' }));
    case 'invalid_union':
      return closestBranch(issue, written);
    default:
      return [{ path, message: messageOf(issue, written) }];
  }
}

function messageOf(issue: z.core.$ZodIssue, written: Written): string {
  const value = valueAt(written.value, issue.path);
  if (value === undefined) return MISSING;
  const isOther = typeof value === 'number' || typeof value === 'boolean';
  if (issue.message !== EXPECTED_TEXT || !isOther) return issue.message;
  return `${issue.message}; put quotes around it: "${sourceAt(written, issue.path) ?? value}"`;
}

function sourceAt({ unusual }: Written, path: readonly PropertyKey[]): string | undefined {
  return unusual.find((each) => each.path.length === path.length && each.path.every((step, i) => step === path[i]))
    ?.source;
}

const MISSING = 'required, but missing';

function unknownKey(key: string, known: readonly string[]): string {
  if (known.includes(key)) return 'does not go with the keys beside it';
  const guess = didYouMean(key, known);
  return `unknown key${guess === '' && known.length > 0 ? `; known here: ${known.join(', ')}` : guess}`;
}

/**
 * What is wrong with the alternative that was most likely meant: the one whose own keys fit best, and of those the one with
 * the fewest mistakes. Many mistakes further in must not make it another kind of thing.
 */
function closestBranch(issue: z.core.$ZodIssueInvalidUnion, written: Written): Mistake[] {
  const { path } = issue;
  const value = valueAt(written.value, path);
  if (value === undefined) return [{ path, message: MISSING }];
  const branches = issue.errors.map((issues) =>
    mistakesOf(
      issues.map((inner) => ({ ...inner, path: [...path, ...inner.path] })),
      written,
    ),
  );
  // An alternative of another kind (a list in place of a word) says nothing about what was written.
  const inside = branches.filter((mistakes) => mistakes.some((mistake) => mistake.path.length > path.length));
  const misfits = (mistakes: Mistake[]) => mistakes.filter((mistake) => mistake.path.length === path.length + 1).length;
  const [closest] = inside.sort((a, b) => misfits(a) - misfits(b) || a.length - b.length);
  const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0;
  return closest === undefined || isEmpty ? [{ path, message: issue.message }] : closest;
}

function valueAt(written: unknown, path: readonly PropertyKey[]): unknown {
  let value = written;
  for (const step of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[step];
  return value;
}
