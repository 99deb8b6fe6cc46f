// What a disagreement is: one meaning for the judge, the summary, the chart, the noise floor and the dashboard.
import type { ComparisonKind } from './comparison.ts';

/** Kinds in which the candidate answered and said something else: other values, or not even an answer of the same form. */
export const DISAGREEMENTS = [
  'different',
  'shape',
  'datatype',
  'missing_output',
  'extra_output',
  'unreadable',
] as const satisfies readonly ComparisonKind[];

/** Trials are pairs in which both sides answered and were compared; hits are those in which they disagree. */
export type Disagreement = { readonly trials: number; readonly hits: number };

const DISAGREES: ReadonlySet<ComparisonKind> = new Set(DISAGREEMENTS);

/** Whether the two answers disagree. */
export function disagrees(kind: ComparisonKind): boolean {
  return DISAGREES.has(kind);
}

/** Whether the pair says anything about agreement. One with a failure, or that was not compared, is charged to no one. */
export function isCompared(kind: ComparisonKind): boolean {
  return kind === 'same' || disagrees(kind);
}

/** Sums up counts by kind. */
export function disagreementIn(count: (kind: ComparisonKind) => number): Disagreement {
  const hits = DISAGREEMENTS.reduce((sum, kind) => sum + count(kind), 0);
  return { trials: count('same') + hits, hits };
}
