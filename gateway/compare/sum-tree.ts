import { partsOf, type Sums } from '../statistics/sums.ts';

/** Sums by the parts of their keys. */
export class Node {
  value = 0;
  readonly inner = new Map<string, Node>();

  get(name: string): Node | undefined {
    return this.inner.get(name);
  }

  number(name: string): number {
    return this.inner.get(name)?.value ?? 0;
  }
}

/** The sums as a tree. */
export function treeOf(sums: Sums): Node {
  const root = new Node();
  for (const [key, value] of sums) {
    let node = root;
    for (const part of partsOf(key)) {
      const next = node.inner.get(part) ?? new Node();
      node.inner.set(part, next);
      node = next;
    }
    node.value += value;
  }
  return root;
}

/** The numbers right below a node, by name. */
export function numbersIn(node: Node | undefined): Record<string, number> {
  return Object.fromEntries([...(node?.inner ?? [])].map(([name, { value }]) => [name, value]));
}
