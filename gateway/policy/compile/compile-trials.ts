// Shadows and experiments, from the policy as written to the policy as it runs.
import type { Arm, Experiment, Shadow, Version } from '../policy.ts';
import type { WrittenExperiment } from '../schema/model.ts';
import type { WrittenShadow } from '../schema/shadow.ts';
import { block, buckets, find } from './slots.ts';

export function compileShadow(owner: string, { name, version, model, ...written }: WrittenShadow): Shadow {
  const called = name ?? version ?? model ?? '';
  const { as, output, tolerance, top, fields, slices, keep } = written.compare;
  return {
    name: called,
    target: { model: model ?? owner, version },
    salt: `${owner}.shadow.${called}`,
    live: block(0, written.sample),
    headers: written.headers ?? [],
    budget: { bytes: written.budget.bytes, concurrency: written.budget.concurrency, ageMs: written.budget.age },
    compare: {
      as,
      output,
      tolerance,
      top,
      fields,
      slices: slices ?? [],
      keep: keep && { fields: keep.fields, requestFields: keep.request_fields, sample: keep.sample, ttlMs: keep.for },
    },
  };
}

export function compileExperiment(
  model: string,
  written: WrittenExperiment,
  versions: ReadonlyMap<string, Version>,
): Experiment {
  let start = 0;
  const arms = Object.entries(written.arms).map(([label, arm]): Arm => {
    const { share, up_to } = typeof arm === 'object' ? arm : { share: arm, up_to: arm };
    const compiled = {
      version: find(versions, label),
      why: `experiment ${written.id}`,
      live: block(start, share),
      reserved: block(start, up_to),
    };
    start += up_to;
    return compiled;
  });
  return {
    id: written.id,
    buckets: buckets(written.salt ?? `${written.id}.ab`, written),
    arms,
    allowReshuffle: written.allow_reshuffle,
    holdout: { salt: `${model}.holdout`, live: block(0, written.holdout ?? 0) },
  };
}
