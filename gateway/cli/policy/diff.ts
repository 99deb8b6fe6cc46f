import { UserError } from '../../errors.ts';
import { checkTransition } from '../../policy/check/transition.ts';
import { parseWritten, readPolicyText } from '../../policy/load/load.ts';
import type { Model, Policy } from '../../policy/policy.ts';
import { didYouMean } from '../../policy/suggest.ts';
import type { Command } from '../command.ts';
import { type Change, changesBetween } from './changes.ts';
import { diffText } from './diff-text.ts';
import type { Difference } from './difference.ts';
import { movementOf } from './movement.ts';
import { policyTree, type Tree } from './policy-tree.ts';
import { servedOf } from './synthetic-callers.ts';

const OPTIONS = {
  old: { kind: 'positional', help: 'the policy that runs now' },
  new: { kind: 'positional', help: 'the policy that is to follow it' },
  callers: { kind: 'count', default: 100_000, help: 'how many synthetic callers both policies decide about' },
  model: { kind: 'list', help: 'follow the callers of this model alone' },
  json: { kind: 'flag', help: 'print JSON for programs' },
} as const;

/** Models whose callers are followed unless told which: each takes a part of a second. */
const MOST_FOLLOWED = 10;

/** `sluice diff`: what one policy changes about another, and who notices. */
export const diffCommand: Command<typeof OPTIONS> = {
  usage: 'sluice diff [options]',
  about:
    'Compares two policies by what they mean. For each model whose routing changes, synthetic callers are decided about by\nboth: how many change version, and how many of them move back or across.',
  options: OPTIONS,
  async run(values) {
    const difference = diff(readPolicy(values.old), readPolicy(values.new), values.callers, values.model);
    if (values.json) console.log(JSON.stringify(difference, null, 2));
    else console.log(diffText(values.old, values.new, difference));
  },
};

export type ReadPolicy = { readonly policy: Policy; readonly tree: ReadonlyMap<string, Tree> };

/** Reads a policy for comparison. Throws PolicyError. */
export function readPolicy(file: string): ReadPolicy {
  const { written, policy } = parseWritten(readPolicyText(file), file);
  return { policy, tree: policyTree(written, policy) };
}

/** Compares two policies; `wanted` names the models whose callers are followed, all when it is empty. */
export function diff(old: ReadPolicy, now: ReadPolicy, callers: number, wanted: readonly string[]): Difference {
  const changes = changesBetween(old.tree, now.tree);
  const moved = modelsMoved(old.policy, now.policy, changes);
  for (const name of wanted) requireModel(name, now.policy);
  const followed =
    wanted.length > 0 ? moved.filter(([{ name }]) => wanted.includes(name)) : moved.slice(0, MOST_FOLLOWED);
  return {
    changes,
    refused: checkTransition(old.policy, now.policy).map(({ path, message }) => ({ path: path.join('.'), message })),
    movements: followed.map(([before, after]) => movementOf(before, after, callers)),
    not_followed: moved.filter((pair) => !followed.includes(pair)).map(([{ name }]) => name),
  };
}

function requireModel(name: string, { models }: Policy): void {
  if (!models.has(name)) throw new UserError(`--model: no model "${name}"${didYouMean(name, models.keys())}`, 2);
}

/** What decides who gets which version; the rest of a model is where and how. */
const ROUTING = /^\.(baseline|rollout|experiment|tiers)\b/;

/** The models of both policies that sort callers differently, themselves or through a model of their ladder. */
function modelsMoved(old: Policy, now: Policy, changes: readonly Change[]): [Model, Model][] {
  const changed = new Set(
    changes.filter(({ part, path }) => ROUTING.test(path.slice(part.length))).map(({ part }) => part),
  );
  return [...now.models.values()].flatMap((after): [Model, Model][] => {
    const before = old.models.get(after.name);
    if (before === undefined) return [];
    const names = [before.name, ...[before, after].flatMap(servedOf).map(({ name }) => name)];
    return names.some((name) => changed.has(`models.${name}`)) ? [[before, after]] : [];
  });
}
