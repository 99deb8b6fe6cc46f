import type { Tensor } from './tensors.ts';

/** How sure a model is, read from probabilities: the largest, its lead over the second, or how unevenly they are spread. */
export type ConfidenceKind = 'max' | 'margin' | 'entropy';

/**
 * The confidence of the least sure row of `probabilities` [..., classes], 0 to 1. Undefined when there is no such number:
 * text, no classes, NaN, or values that are no probabilities.
 */
export function confidenceOf({ data, shape }: Tensor, kind: ConfidenceKind): number | undefined {
  const classes = shape.at(-1) ?? 0;
  if (classes < 1 || data.length === 0 || !(data instanceof Float32Array || data instanceof Float64Array)) {
    return undefined;
  }
  let least = 1;
  for (let start = 0; start < data.length; start += classes) {
    const confidence = KINDS[kind](data.subarray(start, start + classes));
    // Written so that NaN fails; softmax in float32 may pass 1 by a rounding.
    if (!(confidence >= 0 && confidence <= 1.0001)) {
      return undefined;
    }
    least = Math.min(least, confidence);
  }
  return least;
}

type Row = Float32Array | Float64Array;

const KINDS: Readonly<Record<ConfidenceKind, (row: Row) => number>> = {
  max: (row) => largestTwo(row)[0],
  margin: (row) => {
    const [first, second] = largestTwo(row);
    return first - second;
  },
  /** 1 minus Shannon's entropy as a share of its largest possible value, log(classes). */
  entropy: (row) => {
    let entropy = 0;
    for (const share of row) {
      entropy -= share === 0 ? 0 : share * Math.log(share);
    }
    return row.length === 1 ? (row[0] ?? Number.NaN) : Math.max(0, 1 - entropy / Math.log(row.length));
  },
};

/** The largest and the second largest value; of a single one the second is 0. */
function largestTwo(row: Row): readonly [number, number] {
  let first = Number.NEGATIVE_INFINITY;
  let second = Number.NEGATIVE_INFINITY;
  for (const value of row) {
    if (Number.isNaN(value)) {
      return [Number.NaN, Number.NaN];
    }
    if (value > first) {
      second = first;
      first = value;
    } else if (value > second) {
      second = value;
    }
  }
  return [first, row.length === 1 ? 0 : second];
}
