// Reads zod's schema of the policy by a path into the file: which keys it knows there, and which kinds of values it takes.
import { PolicySchema } from './schema.ts';

/** As much of a zod schema's structure as finding a place takes. */
type SchemaNode = {
  readonly shape?: Record<PropertyKey, SchemaNode>;
  readonly valueType?: SchemaNode;
  readonly element?: SchemaNode;
  readonly options?: readonly SchemaNode[];
  readonly def?: { readonly type?: string; readonly innerType?: SchemaNode; readonly in?: SchemaNode };
};

/** The keys that are known at a path, of every alternative. */
export function knownKeys(path: readonly PropertyKey[]): string[] {
  return [...new Set(nodesAt(path).flatMap((node) => Object.keys(node.shape ?? {})))];
}

/** The kinds of values that are taken at a path, such as `string` and `number`. */
export function kindsAt(path: readonly PropertyKey[]): ReadonlySet<string> {
  return new Set(nodesAt(path).flatMap(({ def }) => def?.type ?? []));
}

function nodesAt(path: readonly PropertyKey[]): SchemaNode[] {
  let nodes = alternatives(PolicySchema as unknown as SchemaNode);
  for (const step of path)
    nodes = nodes.flatMap((node) => alternatives(node.shape?.[step] ?? node.valueType ?? node.element));
  return nodes;
}

/** What an optional, a default, a pipe or a union stands for. */
function alternatives(node: SchemaNode | undefined): SchemaNode[] {
  if (node === undefined) return [];
  const inner = node.def?.innerType ?? node.def?.in;
  if (inner !== undefined) return alternatives(inner);
  return Array.isArray(node.options) ? node.options.flatMap(alternatives) : [node];
}
