// What units are hashed under. A salt never holds a ":", so that the text before a unit is unambiguous.
import type { ServedModel } from './policy.ts';

/** The text that is hashed before a unit: the algorithm `sha256-v1`. */
export function prefixOf(salt: string): string {
  return `v1:${salt}:`;
}

/** The model with its rollouts under another salt: the same shares, given to other callers. */
export function withSalt(model: ServedModel, salt: string): ServedModel {
  if (salt === model.sortingSalt) return model;
  const prefix = prefixOf(salt);
  const rollouts = model.rollouts.map((rollout) => ({ ...rollout, buckets: { ...rollout.buckets, salt, prefix } }));
  return { ...model, sortingSalt: salt, sortingPrefix: prefix, rollout: rollouts[0], rollouts };
}
