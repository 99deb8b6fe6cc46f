// What a running policy may not be replaced by: a change that would move callers between arms, or reuse an id.
import type { Mistake } from '../mistakes.ts';
import type { Experiment, Model, Policy, Rollout, ServedModel } from '../policy.ts';

/** Every reason why `next` may not take over from `current`. */
export function checkTransition(current: Policy, next: Policy): Mistake[] {
  const before = idsOf(current);
  const after = idsOf(next);
  return [...after.rollouts]
    .flatMap(([id, { rollout, path }]) => {
      const was = before.rollouts.get(id)?.rollout;
      return was === undefined ? [] : changedRollout(was, rollout, path);
    })
    .concat(
      [...after.experiments].flatMap(([id, { experiment, path }]) => {
        const was = before.experiments.get(id)?.experiment;
        return was === undefined || experiment.allowReshuffle ? [] : changedExperiment(was, experiment, path);
      }),
    );
}

type Ids = {
  readonly rollouts: Map<string, { rollout: Rollout; path: PropertyKey[] }>;
  readonly experiments: Map<string, { experiment: Experiment; path: PropertyKey[] }>;
};

function idsOf({ models }: Policy): Ids {
  const ids: Ids = { rollouts: new Map(), experiments: new Map() };
  for (const model of [...models.values()].filter(isServed)) {
    const path = ['models', model.name];
    for (const [i, rollout] of model.rollouts.entries()) {
      const item = model.rollouts.length > 1 ? [i] : [];
      ids.rollouts.set(rollout.id, { rollout, path: [...path, 'rollout', ...item] });
    }
    if (model.experiment)
      ids.experiments.set(model.experiment.id, { experiment: model.experiment, path: [...path, 'experiment'] });
  }
  return ids;
}

function isServed(model: Model): model is ServedModel {
  return model.kind === 'served';
}

function changedRollout(was: Rollout, is: Rollout, path: PropertyKey[]): Mistake[] {
  const what: string[] = [];
  if (was.candidate.label !== is.candidate.label || was.candidate.model !== is.candidate.model) what.push('candidate');
  if (sortedBy(was) !== sortedBy(is)) what.push('unit');
  if (was.live.from !== is.live.from) what.push('from');
  return what
    .map((key) => `rollout "${is.id}" is running with another ${key}; a change of ${key} needs a new id`)
    .concat(changedSalt(was, is))
    .map((message) => ({ path, message }));
}

/** Both ways out: a rollout that joins a list can keep its callers. */
function changedSalt({ id, buckets: { salt } }: Rollout, is: Rollout): string[] {
  if (salt === is.buckets.salt) return [];
  return [`rollout "${id}" is running under salt ${salt}; write "salt: ${salt}" to keep its callers, or take a new id`];
}

function sortedBy({ buckets: { unit, withoutUnit } }: Rollout): string {
  return JSON.stringify([unit, withoutUnit]);
}

function changedExperiment(was: Experiment, is: Experiment, path: PropertyKey[]): Mistake[] {
  const what: string[] = [];
  if (JSON.stringify(was.buckets) !== JSON.stringify(is.buckets)) what.push('unit or salt');
  if (JSON.stringify(blocksOf(was)) !== JSON.stringify(blocksOf(is))) what.push('blocks of the arms');
  return what.map((key) => ({
    path,
    message: `the ${key} of experiment "${is.id}" would change and move callers between arms; take a new id or set allow_reshuffle: true`,
  }));
}

/** Where each arm starts: an arm that grows into its room moves no one between arms, one that starts elsewhere does. */
function blocksOf({ arms }: Experiment): unknown {
  return arms.map(({ version, reserved }) => [version.label, reserved.from]);
}
