// What `/api/status` tells: the policy in force, the split, and the fleet's health.
import { SLOTS } from '../decide/bucket.ts';
import type { Refusal } from '../judge/rollout/ledger.ts';
import type { RolloutStanding, Unjudged } from '../judge/rollout/told.ts';
import type { MissedStatus } from '../observe/missed-inputs.ts';
import type { PolicyStanding } from '../policy/load/in-force.ts';
import type { Block, Model, Policy, Unit, Version } from '../policy/policy.ts';
import type { LadderStanding, ServerStanding, ShadowStanding } from '../standings.ts';
import type { Damage } from '../store/damage.ts';
import type { Pending, StoreHealth, Unshared } from '../store/store.ts';

export type StatusInput = {
  readonly version: string;
  readonly startedAt: string;
  readonly draining: boolean;
  /** As they are served now. */
  readonly models: Policy['models'];
  readonly standing: PolicyStanding;
  /** Candidates that receive no traffic, with the reason. */
  readonly withheld: ReadonlyMap<Version, string>;
  /** Since when a version has no ready server (ISO time), and what its servers say; undefined when it has one. */
  readonly unreadyOf: (
    model: string,
    version: string,
  ) => { readonly since: string; readonly sentence: string } | undefined;
  readonly rollouts: readonly RolloutStanding[];
  /** Where copies of a model's requests go, and what became of them. */
  readonly shadowsOf: (model: string) => readonly ShadowStanding[];
  /** Requests of which the policy could not read what it asks for, by what that was and the reason. */
  readonly missedOf: (model: string) => MissedStatus | undefined;
  /** How a ladder of tiers does; undefined before its first request. */
  readonly ladderOf: (model: string) => LadderStanding | undefined;
  /** Rollouts of the policy that may not start. */
  readonly refusals: readonly Refusal[];
  /** Rollouts that are held on their baselines because no one can judge them. */
  readonly held: readonly Unjudged[];
  readonly store: StoreHealth;
  /** Files and keys in which something cannot be read. */
  readonly damaged: readonly Damage[];
  readonly unshared: Unshared;
  /** False when the kill switch is thrown. */
  readonly isAutomatic: boolean;
  /** Each with its name and whatever else is known of it. */
  readonly servers: readonly ServerStanding[];
};

/** The status document, as it goes out in JSON. Shares are fractions of 1. */
export function statusOf({
  models,
  standing,
  servers,
  withheld,
  unreadyOf,
  rollouts,
  shadowsOf,
  missedOf,
  ladderOf,
  refusals,
  store,
  unshared,
  ...process
}: StatusInput) {
  return {
    ...process,
    policy: standing,
    store: { ...store, losses: lossesOf(store) },
    pendingRollbacks: pendingStatus('rollback', unshared.rollbacks),
    pendingSuspensions: pendingStatus('suspension', unshared.suspensions),
    refusals,
    models: Object.fromEntries(
      [...models].map(([name, model]) => [
        name,
        modelStatus(model, { withheld, unreadyOf, rollouts, shadowsOf, missedOf, ladderOf }),
      ]),
    ),
    // A name that leads to several addresses is a server at each of them.
    fleet: Object.fromEntries(
      servers.map(({ name, ...server }) => [server.address === undefined ? name : `${name}@${server.address}`, server]),
    ),
  };
}

/** What the store has lost since the start, as sentences. */
function lossesOf({ auditDropped }: StoreHealth): readonly string[] {
  if (auditDropped === 0) return [];
  const entries = auditDropped === 1 ? 'one entry is' : `${auditDropped} entries are`;
  return [`${entries} missing in the audit trail on this gateway's disk, which failed for too long`];
}

/** Rollbacks or suspensions that the other gateways may not have heard of, or that a crash could forget. */
function pendingStatus(what: 'rollback' | 'suspension', { disk, store }: Pending) {
  const here = (id: string) => `the ${what} of ${id} holds at this gateway`;
  return [
    ...[...store].map((id) => ({
      id,
      at: 'store',
      sentence: `${here(id)} only: the shared store does not have it yet, so the other gateways may go on with the candidate`,
    })),
    ...[...disk].map((id) => ({
      id,
      at: 'disk',
      sentence: `${here(id)}, but its disk does not take it: it is written again every second, and a crash before that could forget it`,
    })),
  ];
}

function modelStatus(
  model: Model,
  {
    withheld,
    unreadyOf,
    rollouts,
    shadowsOf,
    missedOf,
    ladderOf,
  }: Pick<StatusInput, 'withheld' | 'unreadyOf' | 'rollouts' | 'shadowsOf' | 'missedOf' | 'ladderOf'>,
) {
  if (model.kind === 'tiers')
    return {
      tiers: Object.fromEntries([...model.ladder].map(([tier, { name }]) => [tier, name])),
      missed: missedOf(model.name),
      escalation: ladderOf(model.name),
    };
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
      standing: rollouts.find((standing) => standing.id === id && standing.model === model.name),
    })),
    missed: missedOf(model.name),
    shadows: shadowsOf(model.name),
    versions: Object.fromEntries(
      [...model.versions.values()].map(({ label, servers }) => [
        label,
        { servers, unready: unreadyOf(model.name, label) },
      ]),
    ),
  };
}

function shareOf({ from, to }: Block): number {
  return (to - from) / SLOTS;
}

function unitText(unit: Unit): string {
  if (unit.from === 'header') return `header ${unit.name}`;
  return unit.from === 'body' ? `body ${unit.path.join('.')}` : 'random';
}
