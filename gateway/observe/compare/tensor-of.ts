import type { Json } from '../../../model-server/protocol/json.ts';
import type { Output } from './output.ts';

const MAX_RANK = 16;

/** Nested arrays as a tensor with the shape that they have; undefined when they are ragged or hold anything but scalars. */
export function tensorOf(name: string, value: Json): Output | undefined {
  const shape: number[] = [];
  for (let inner: Json | undefined = value; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
  if (shape.length > MAX_RANK || !isEven(value, shape, 0)) return undefined;
  return { name, datatype: 'JSON', shape, values: shape.length === 0 ? [value] : flatten(value, shape.length - 1) };
}

/** An array of arrays, this many levels, as one. */
export function flatten(value: Json, levels: number): readonly Json[] {
  // Typed as the array that it is: the type of `flat` follows every level of Json for ever.
  return (value as readonly unknown[]).flat(levels) as readonly Json[];
}

function isEven(value: Json, shape: readonly number[], depth: number): boolean {
  if (depth === shape.length) return typeof value !== 'object' && value !== undefined;
  if (!Array.isArray(value) || value.length !== shape[depth]) return false;
  return value.every((inner: Json) => isEven(inner, shape, depth + 1));
}

/** The value at a dotted path; a digit is an index. */
export function jsonAt(value: Json, path: string): Json | undefined {
  let found: Json | undefined = value;
  for (const step of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Readonly<Record<string, Json>>)[step];
  }
  return found;
}
