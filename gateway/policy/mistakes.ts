// What zod found wrong, in words for the person who edits the file.
import type { z } from 'zod';
import { PolicySchema } from './schema.ts';
import { didYouMean } from './suggest.ts';

/** A mistake at a path into the file, such as ['models', 'digits', 'baseline']. */
export type Mistake = {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** Where it stands: at the value, at the last key of the path, or at an offset into the text that has no path. */
  readonly at?: 'value' | 'key' | number;
};

/** The mistakes behind zod's issues with the value `written`. */
export function mistakesOf(issues: readonly z.core.$ZodIssue[], written: unknown): Mistake[] {
  // What is missing beside a mistyped key follows from the mistyped key.
  const mistyped = new Set(
    issues.filter(({ code }) => code === 'unrecognized_keys').map(({ path }) => path.join('\n')),
  );
  return issues
    .filter(({ code, path }) => code !== 'custom' || !mistyped.has(path.join('\n')))
    .flatMap((issue) => mistakesOfOne(issue, written));
}

/** Each unknown key is a mistake of its own. */
function mistakesOfOne(issue: z.core.$ZodIssue, written: unknown): Mistake[] {
  const { path } = issue;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, knownKeys(path)), at: 'key' }));
    case 'invalid_key':
      return issue.issues.map(({ message }) => ({ path, message, at: 'key' }));
    case 'invalid_union':
      return closestBranch(issue, written);
    default:
      return [{ path, message: valueAt(written, path) === undefined ? MISSING : issue.message }];
  }
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
function closestBranch(issue: z.core.$ZodIssueInvalidUnion, written: unknown): Mistake[] {
  const { path } = issue;
  const value = valueAt(written, path);
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

/** The keys the schema knows at a path, of every alternative, read off the schema itself. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let nodes: SchemaNode[] = alternatives(PolicySchema as unknown as SchemaNode);
  for (const step of path)
    nodes = nodes.flatMap((node) => alternatives(node.shape?.[step] ?? node.valueType ?? node.element));
  return [...new Set(nodes.flatMap((node) => Object.keys(node.shape ?? {})))];
}

/** As much of a zod schema's structure as finding a key needs. */
type SchemaNode = {
  readonly shape?: Record<PropertyKey, SchemaNode>;
  readonly valueType?: SchemaNode;
  readonly element?: SchemaNode;
  readonly options?: readonly SchemaNode[];
  readonly def?: { readonly innerType?: SchemaNode; readonly in?: SchemaNode };
};

/** What an optional, a default, a pipe or a union stands for. */
function alternatives(node: SchemaNode | undefined): SchemaNode[] {
  if (node === undefined) return [];
  const inner = node.def?.innerType ?? node.def?.in;
  if (inner !== undefined) return alternatives(inner);
  return Array.isArray(node.options) ? node.options.flatMap(alternatives) : [node];
}
