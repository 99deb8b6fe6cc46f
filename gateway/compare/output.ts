import type { Elements, Output } from '../../model-server/protocol/answer.ts';
import type { Json } from '../../model-server/protocol/json.ts';

/** An answer, decoded; or why it could not be. `beyond`: our bounds say so, and it may be sound. */
export type Reading =
  | { readonly kind: 'outputs'; readonly outputs: readonly Output[]; readonly confidence: number | undefined }
  | { readonly kind: 'unreadable' | 'beyond'; readonly reason: string };

/** Rows and their width: the last dimension is the row, and one dimension alone is rows of one. */
export function rowsOf({ shape, values }: Output): { readonly rows: number; readonly width: number } {
  const width = shape.length > 1 ? (shape.at(-1) ?? 1) : 1;
  return { rows: width === 0 ? 0 : values.length / width, width };
}

/** The elements as numbers; what is no number is NaN. Integers of 64 bits are rounded. */
export function numbersOf({ values }: Output): ArrayLike<number> {
  if (values instanceof Float32Array || values instanceof Float64Array) return values;
  if (isNumbers(values)) return values;
  return Array.from(values as ArrayLike<Json>, (value) =>
    typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? Number(value) : Number.NaN,
  );
}

/** Whether an output holds fractions: scores and probabilities, not ids or labels. */
export function isFractional({ datatype, values }: Output): boolean {
  if (datatype.startsWith('FP') || datatype === 'BF16') return true;
  return datatype === 'JSON' && isNumbers(values) && !everyInteger(values);
}

function isNumbers(values: Elements): values is ArrayLike<number> {
  for (let i = 0; i < values.length; i++) if (typeof values[i] !== 'number') return false;
  return true;
}

function everyInteger(values: ArrayLike<number>): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isInteger(values[i])) return false;
  return true;
}
