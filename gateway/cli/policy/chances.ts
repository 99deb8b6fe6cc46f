// What a request without a unit may come to: every outcome with its probability, found by asking `decide` itself.
import { SLOTS } from '../../decide/bucket.ts';
import { decide } from '../../decide/decide.ts';
import type { Decision, Facts } from '../../flow.ts';
import type { Block, ServedModel } from '../../policy/policy.ts';

export type Chance = { readonly probability: number; readonly decision: Decision };

/** The outcomes of a request to a model with versions, likeliest first: one when nothing depends on chance. */
export function chancesOf(model: ServedModel, facts: Facts): Chance[] {
  const rollouts = piecesOf(model.rollouts.map(({ live }) => live));
  const arms = piecesOf(model.experiment?.arms.map(({ live }) => live) ?? []);
  const holdouts = piecesOf(model.experiment === undefined ? [] : [model.experiment.holdout.live]);
  const found = new Map<string, { slots: number; decision: Decision }>();
  for (const rollout of rollouts)
    for (const arm of arms)
      for (const holdout of holdouts) {
        const decision = decide(model, facts, randomFor(rollout.from, arm.from, holdout.from));
        const key = JSON.stringify(decision);
        const slots = (found.get(key)?.slots ?? 0) + lengthOf(rollout) * lengthOf(arm) * lengthOf(holdout);
        found.set(key, { slots, decision });
      }
  return [...found.values()]
    .map(({ slots, decision }) => ({ probability: slots / SLOTS ** 3, decision }))
    .sort((a, b) => b.probability - a.probability);
}

/** The bucket space cut wherever a block starts or ends: within a piece every slot comes to the same. */
function piecesOf(blocks: readonly Block[]): Block[] {
  const cuts = [...new Set([0, SLOTS, ...blocks.flatMap(({ from, to }) => [from, to])])].sort((a, b) => a - b);
  return cuts.flatMap((to, i) => {
    const from = cuts[i - 1];
    return from === undefined ? [] : [{ from, to }];
  });
}

function lengthOf({ from, to }: Block): number {
  return to - from;
}

/** The random number that `drawSlots` turns into these three slots; half a slot in, so that rounding cannot leave it. */
function randomFor(rollout: number, arm: number, holdout: number): number {
  return (rollout + (arm + (holdout + 0.5) / SLOTS) / SLOTS) / SLOTS;
}
