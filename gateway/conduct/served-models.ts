// The models as they are served by the states of their rollouts, worked out once for all requests: pure.
import type { Ledger } from '../judge/rollout/ledger.ts';
import type { Model, Policy, Rollout, ServedModel, TieredModel } from '../policy/policy.ts';

/** All slots of a bucket space. */
const SLOTS = 1_000_000;

/** All that decides who is in which arm of a model's rollouts; undefined where nothing is sorted. */
export function sortingOf(model: Model | undefined): string | undefined {
  if (model?.kind !== 'served' || model.rollouts.length === 0) return undefined;
  const { sortingPrefix, baselineLabel, rollouts } = model;
  const arms = rollouts.map(({ id, label, buckets, live }) => [id, label, buckets, live]);
  return JSON.stringify([sortingPrefix, baselineLabel, arms]);
}

/** The candidate's part of the slots of its own arm and the baseline's; 0 where one of them has none. */
export function coinOf({ rollouts }: ServedModel, id: string): number {
  const sizeOf = ({ live }: Rollout) => live.to - live.from;
  const mine = rollouts.filter((rollout) => rollout.id === id).reduce((sum, rollout) => sum + sizeOf(rollout), 0);
  const baseline = SLOTS - rollouts.reduce((sum, rollout) => sum + sizeOf(rollout), 0);
  return mine === 0 || baseline <= 0 ? 0 : mine / (mine + baseline);
}

/** All models with versions. */
export function servedIn({ models }: Policy): ServedModel[] {
  return [...models.values()].filter((model): model is ServedModel => model.kind === 'served');
}

/** Models whose callers may be led elsewhere than to the policy's baseline. */
export function concerned({ models, onTrial }: Policy, ledger: Ledger): ServedModel[] {
  const all = new Set(onTrial);
  for (const { model: name } of ledger.values()) {
    const model = models.get(name);
    if (model?.kind === 'served') all.add(model);
  }
  return [...all];
}

/** A ladder with its models as they are served now. */
export function asServed(model: TieredModel, models: ReadonlyMap<string, Model>): TieredModel {
  const rung = (named: ServedModel) => {
    const now = models.get(named.name);
    return now?.kind === 'served' ? now : named;
  };
  return { ...model, ladder: new Map([...model.ladder].map(([tier, named]) => [tier, rung(named)])) };
}
