// How sure a model was of an answer, by the probabilities that it gave: one rule for the model server, for live tiers and for
// what comparisons keep.

/** The largest probability, its lead over the second, or how unevenly the probabilities are spread. */
export type ConfidenceKind = 'max' | 'margin' | 'entropy';

/** Probabilities that were rounded may be a little more than one, or sum to a little more. */
const ROUNDING = 1e-3;

/**
 * The confidence of the least sure row, 0 to 1. `values` are probabilities in row-major order, `width` of them a row. A row of
 * one probability p is a binary answer: the other class has 1 - p. Undefined when there is no such number: no values, rows that
 * do not come out even, text, NaN, or scores that are no probabilities.
 */
export function confidenceOf(values: ArrayLike<unknown>, width: number, kind: ConfidenceKind): number | undefined {
  if (!(width >= 1) || values.length === 0 || values.length % width !== 0) return undefined;
  let least = 1;
  for (let start = 0; start < values.length; start += width) {
    const row = readRow(values, start, width);
    if (row === undefined) return undefined;
    least = Math.min(least, OF_KIND[kind](row));
  }
  return least;
}

/** How many probabilities make a row of a v2 tensor: the last dimension counts the classes. A scalar is a row of one. */
export function widthOf(shape: readonly number[]): number {
  return shape.at(-1) ?? 1;
}

/** What the kinds are made of. The entropy is Shannon's H in nats. */
type Row = { readonly first: number; readonly second: number; readonly entropy: number; readonly classes: number };

const OF_KIND: Readonly<Record<ConfidenceKind, (row: Row) => number>> = {
  max: ({ first }) => Math.min(1, first),
  margin: ({ first, second }) => Math.min(1, first - second),
  /** 1 - H / ln(classes): 1 is certain, 0 is an even spread. */
  entropy: ({ entropy, classes }) => Math.min(1, Math.max(0, 1 - entropy / Math.log(classes))),
};

function readRow(values: ArrayLike<unknown>, start: number, width: number): Row | undefined {
  let [first, second, entropy, sum] = [0, 0, 0, 0];
  const add = (p: number) => {
    sum += p;
    if (p > 0) entropy -= p * Math.log(p);
    if (p > first) [first, second] = [p, first];
    else if (p > second) second = p;
  };
  for (let i = start; i < start + width; i++) {
    const p = values[i];
    // Written so that NaN fails.
    if (typeof p !== 'number' || !(p >= 0 && p <= 1 + ROUNDING)) return undefined;
    add(p);
  }
  if (width === 1) add(Math.max(0, 1 - sum));
  if (sum > 1 + ROUNDING * width) return undefined;
  return { first, second, entropy, classes: Math.max(2, width) };
}
