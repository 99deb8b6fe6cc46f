// What `/api/status` tells: the policy in force, the split, and the fleet's health.
import { SLOTS } from '../decide/bucket.ts';
import type { PolicyStanding } from '../policy/in-force.ts';
import type { Block, Model, Policy, Unit, Version } from '../policy/policy.ts';

export type StatusInput = {
  readonly version: string;
  readonly startedAt: string;
  readonly draining: boolean;
  readonly policy: Policy;
  readonly standing: PolicyStanding;
  /** Candidates that receive no traffic, with the reason. */
  readonly withheld: ReadonlyMap<Version, string>;
  /** Each with its name and whatever else is known of it. */
  readonly servers: readonly { readonly name: string; readonly address: string | undefined }[];
};

/** The status document, as it goes out in JSON. Shares are fractions of 1. */
export function statusOf({ policy, standing, servers, withheld, ...process }: StatusInput) {
  return {
    ...process,
    policy: standing,
    models: Object.fromEntries([...policy.models].map(([name, model]) => [name, modelStatus(model, withheld)])),
    // A name that leads to several addresses is a server at each of them.
    fleet: Object.fromEntries(
      servers.map(({ name, ...server }) => [server.address === undefined ? name : `${name}@${server.address}`, server]),
    ),
  };
}

function modelStatus(model: Model, withheld: StatusInput['withheld']) {
  if (model.kind === 'tiers')
    return { tiers: Object.fromEntries([...model.ladder].map(([tier, { name }]) => [tier, name])) };
  return {
    timeoutMs: model.timeoutMs,
    baseline: model.baseline.label,
    pins: typeof model.pins === 'string' ? model.pins : 'by header',
    experiment: model.experiment && {
      id: model.experiment.id,
      unit: unitText(model.experiment.buckets.unit),
      holdout: shareOf(model.experiment.holdout.live),
      arms: Object.fromEntries(model.experiment.arms.map(({ version, live }) => [version.label, shareOf(live)])),
    },
    rollouts: model.rollouts.map(({ id, candidate, live, buckets }) => ({
      id,
      candidate: candidate.label,
      share: shareOf(live),
      unit: unitText(buckets.unit),
      withheld: withheld.get(candidate),
    })),
    versions: Object.fromEntries([...model.versions.values()].map(({ label, servers }) => [label, { servers }])),
  };
}

function shareOf({ from, to }: Block): number {
  return (to - from) / SLOTS;
}

function unitText(unit: Unit): string {
  if (unit.from === 'header') return `header ${unit.name}`;
  return unit.from === 'body' ? `body ${unit.path.join('.')}` : 'random';
}
