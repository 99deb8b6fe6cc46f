import { badRequest } from '../errors.ts';
import type { Tensor } from '../run/tensors.ts';

/**
 * The `count` largest classes of an output [classes] or [batch, classes], as Triton's classification extension writes
 * them: BYTES [count] or [batch, count], each `value:index` or, where there are labels, `value:index:label`.
 */
export function classify(output: Tensor, count: number, labels: readonly string[] | undefined): Tensor {
  const { name, shape, data } = output;
  const classes = shape.at(-1);
  if (classes === undefined || shape.length > 2 || Array.isArray(data) || output.datatype === 'FP16') {
    const text = `${output.datatype} [${shape.join(',')}]`;
    throw badRequest(
      `output "${name}" is ${text}: only numbers (not FP16) of shape [classes] or [batch,classes] can be classified`,
    );
  }
  const kept = Math.min(count, classes);
  const strings: string[] = [];
  for (let start = 0; start < data.length; start += classes) {
    const row: ArrayLike<number | bigint> = data.subarray(start, start + classes);
    strings.push(...largest(row, kept).map((index) => classText(row, index, labels)));
  }
  return { name, datatype: 'BYTES', shape: [...shape.slice(0, -1), kept], data: strings };
}

/** Positions of the largest values, largest first, the first of equals first; NaN counts as the smallest. */
function largest(row: ArrayLike<number | bigint>, count: number): number[] {
  const rank = (index: number) => {
    const value = row[index] ?? 0;
    return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
  };
  return Array.from({ length: row.length }, (_, index) => index)
    .sort((a, b) => (rank(a) === rank(b) ? a - b : rank(a) > rank(b) ? -1 : 1))
    .slice(0, count);
}

function classText(row: ArrayLike<number | bigint>, index: number, labels: readonly string[] | undefined): string {
  const label = labels?.[index];
  return `${row[index]}:${index}${label === undefined ? '' : `:${label}`}`;
}
