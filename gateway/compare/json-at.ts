import type { Json } from '../../model-server/protocol/json.ts';

/** The value at a dotted path; a digit is an index. */
export function jsonAt(value: Json, path: string): Json | undefined {
  let found: Json | undefined = value;
  for (const step of path.split('.')) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, step)) return undefined;
    found = (found as Readonly<Record<string, Json>>)[step];
  }
  return found;
}
