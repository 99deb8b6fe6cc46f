// What differs between two policies, value by value.
import type { Tree } from './policy-tree.ts';

export type Change = {
  /** The part of the policy it lies in, such as `models.digits`. */
  readonly part: string;
  /** The whole path, such as `models.digits.rollout.digits-v2.share`. */
  readonly path: string;
  /** Undefined for what is new. */
  readonly old: string | undefined;
  /** Undefined for what is gone. */
  readonly new: string | undefined;
};

/** Every change from one policy to another; a whole server or model that comes or goes is one change. */
export function changesBetween(before: ReadonlyMap<string, Tree>, after: ReadonlyMap<string, Tree>): Change[] {
  const parts = new Set([...before.keys(), ...after.keys()]);
  return [...parts].flatMap((part) => {
    const [was, is] = [before.get(part), after.get(part)];
    if (was !== undefined && is !== undefined) return changesIn(part, was, is);
    return [{ part, path: part, old: was && summary(was), new: is && summary(is) }];
  });
}

/** `+ path: new`, `- path: old` or `~ path: old -> new`. */
export function changeText({ path, old, new: now }: Change): string {
  if (old === undefined) return `+ ${path}: ${now}`;
  return now === undefined ? `- ${path}: ${old}` : `~ ${path}: ${old} -> ${now}`;
}

function changesIn(part: string, was: Tree, is: Tree): Change[] {
  const [before, after] = [new Map(leaves(was, part)), new Map(leaves(is, part))];
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((path) => ({ part, path, old: before.get(path), new: after.get(path) }))
    .filter(({ old, new: now }) => old !== now);
}

function leaves(tree: Tree, path: string): [string, string][] {
  return Object.entries(tree).flatMap(([name, value]): [string, string][] => {
    if (value === undefined) return [];
    return typeof value === 'string' ? [[`${path}.${name}`, value]] : leaves(value, `${path}.${name}`);
  });
}

/** What matters most of a server or a model, in a few words. */
function summary(tree: Tree): string {
  const { url, versions, baseline, tiers } = tree;
  if (typeof url === 'string') return url;
  if (typeof tiers === 'object') return `ladder ${tiers.ladder}`;
  return `versions ${Object.keys(typeof versions === 'object' ? versions : {}).join(', ')}; baseline ${baseline}`;
}
