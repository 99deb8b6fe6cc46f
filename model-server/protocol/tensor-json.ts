// Tensors as JSON: their `data`, flat or nested like the shape, in row-major order.
import { Malformed } from './malformed.ts';
import { show } from './show.ts';
import { countOf } from './tensor-bytes.ts';

/** Most dimensions of a tensor. */
export const MAX_RANK = 16;

/** Elements within `levels` arrays: with 0 they are the elements themselves. */
export type Nested = { readonly values: readonly unknown[]; readonly levels: number };

/**
 * The `data` of a tensor, found to hold exactly what the shape says: all elements in one array, or arrays within arrays as the
 * shape has them. A scalar may do without an array. Throws Malformed. The elements themselves are not looked at.
 */
export function nestedLike(data: unknown, shape: readonly number[]): Nested {
  const values: unknown = shape.length === 0 && !Array.isArray(data) && data !== undefined ? [data] : data;
  if (!Array.isArray(values)) throw new Malformed(`data must be an array, got ${show(data)}`);
  if (shape.length > 1 && Array.isArray(values[0])) {
    checkNesting(values, shape, 0);
    return { values, levels: shape.length - 1 };
  }
  if (values.length !== countOf(shape))
    throw new Malformed(`shape ${show(shape)} holds ${countOf(shape)} elements, data has ${values.length}`);
  return { values, levels: 0 };
}

function checkNesting(values: readonly unknown[], shape: readonly number[], depth: number): void {
  if (values.length !== shape[depth]) {
    const found = `data has ${values.length} at level ${depth + 1}`;
    throw new Malformed(`shape ${show(shape)} asks for ${shape[depth]} elements, ${found}`);
  }
  if (depth === shape.length - 1) return;
  for (const inner of values) {
    if (!Array.isArray(inner)) throw new Malformed(`data is neither flat nor nested like shape ${show(shape)}`);
    checkNesting(inner, shape, depth + 1);
  }
}
