// From the policy as written to the policy as it runs. The file has passed every check.
import {
  type Guards,
  isOnTrial,
  type Model,
  type Policy,
  type Rollout,
  type ServedModel,
  type Shadow,
  type Sorting,
  type TieredModel,
  type Version,
} from '../policy.ts';
import type { WrittenRollout, WrittenServed, WrittenTiered } from '../schema/model.ts';
import type { PolicyFile } from '../schema.ts';
import type { ServerSpec } from '../servers.ts';
import { endSharing, shared } from '../shared.ts';
import { compileComplexity, compileCondition, compileEscalation, compileRule } from './compile-rules.ts';
import { compileExperiment, compileShadow } from './compile-trials.ts';
import { block, buckets, find } from './slots.ts';

const DEFAULT_IDLE_MS = 30_000;
const NO_ROLLOUTS: readonly Rollout[] = [];
const NO_SHADOWS: readonly Shadow[] = [];
/** Whoever serves the policy reads them. */
const NONE = { files: [], sha256: '' };

/** The runnable policy. */
export function compile(file: PolicyFile, sha256: string): Policy {
  const models = new Map<string, Model>();
  const onTrial: ServedModel[] = [];
  for (const [name, written] of Object.entries(file.models)) {
    if ('tiers' in written) continue;
    const model = compileServed(name, written);
    models.set(name, model);
    if (isOnTrial(model)) onTrial.push(model);
  }
  // Ladders come last: they lead to models with versions, and those are all there now.
  const ladders = Object.entries(file.models).flatMap(([name, model]) =>
    'tiers' in model ? [compileTiers(name, model, models)] : [],
  );
  for (const ladder of ladders) models.set(ladder.name, ladder);
  const fleet = new Map(Object.entries(file.fleet).map(([name, server]) => [name, compileServer(name, server)]));
  endSharing();
  return {
    fleet,
    models,
    onTrial,
    ladders,
    prefixes: prefixesOf(file),
    sha256,
    certificates: NONE,
  };
}

function prefixesOf({ models }: PolicyFile): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(models).flatMap(([name, model]) =>
      'tiers' in model || model.prefix === undefined ? [] : [[model.prefix, name] as const],
    ),
  );
}

function compileServer(name: string, server: PolicyFile['fleet'][string]): ServerSpec {
  const { url, kind, class: serverClass, weight, max_in_flight: maxInFlight, tls } = server;
  return {
    name,
    origin: new URL(url).origin,
    kind,
    class: serverClass,
    weight,
    maxInFlight,
    tls: tls && { ca: tls.ca, cert: tls.cert, key: tls.key, serverName: tls.server_name },
  };
}

function compileServed(name: string, model: WrittenServed): ServedModel {
  const versions = new Map(
    Object.entries(model.versions).map(([label, version]) => [label, compileVersion(name, label, version, model)]),
  );
  const upstream = Object.entries(model.versions).flatMap(([label, { version }]) =>
    version === undefined ? [] : [[version, find(versions, label)] as const],
  );
  const { rollout } = model;
  const salt = saltOf(name, rollout);
  const list = rollout === undefined ? [] : Array.isArray(rollout) ? rollout : [rollout];
  const rollouts = list.map((each) => compileRollout(salt, each, versions));
  return {
    kind: 'served',
    name,
    sorting: sortingOf(rollouts),
    sortingPrefix: rollouts[0]?.buckets.prefix ?? '',
    sortingSalt: salt,
    stamp: 0,
    end: Math.max(0, ...rollouts.map(({ live }) => live.to)),
    rollout: rollouts[0],
    experiment: model.experiment && compileExperiment(name, model.experiment, versions),
    baselineLabel: model.baseline,
    baselineWhy: 'baseline',
    timeoutMs: model.timeout,
    versions,
    // Where a label and a server's version clash, the label wins.
    pinnable: upstream.length === 0 ? versions : new Map([...upstream, ...versions]),
    pins: typeof model.pins === 'string' ? model.pins : compileCondition({ header: model.pins.header }),
    baseline: find(versions, model.baseline),
    rollouts: rollouts.length === 0 ? NO_ROLLOUTS : rollouts,
    shadows: model.shadow === undefined ? NO_SHADOWS : model.shadow.map((each) => compileShadow(name, each)),
  };
}

function compileVersion(
  model: string,
  label: string,
  version: WrittenServed['versions'][string],
  { protocol, timeout, idle_timeout, idempotent, retry_budget, hedge_after }: WrittenServed,
): Version {
  return {
    model,
    label,
    servers: shared(version.servers),
    protocol,
    timeoutMs: Math.min(timeout, version.timeout ?? timeout),
    idleTimeoutMs: idle_timeout ?? DEFAULT_IDLE_MS,
    prefer: version.prefer,
    maxInFlight: version.max_in_flight ?? Number.POSITIVE_INFINITY,
    resending: shared({
      isIdempotent: idempotent ?? protocol !== 'http',
      budget: retry_budget,
      hedgeAfterMs: hedge_after,
    }),
    upstream: upstreamOf(version.model ?? model, version.version),
  };
}

function upstreamOf(model: string, version: string | undefined): string {
  return `models/${encodeURIComponent(model)}${version === undefined ? '' : `/versions/${version}`}`;
}

/** The salt of a model's rollouts: a single one draws its callers anew, those of a list share one bucket space. */
function saltOf(model: string, rollout: WrittenServed['rollout']): string {
  if (rollout === undefined) return '';
  if (Array.isArray(rollout)) return rollout[0]?.salt ?? `${model}.canary`;
  return rollout.salt ?? `${model}.canary.${rollout.id}`;
}

function compileRollout(salt: string, rollout: WrittenRollout, versions: ReadonlyMap<string, Version>): Rollout {
  const from = rollout.from ?? 0;
  const most = 1 - (rollout.holdback ?? 0);
  const candidate = find(versions, rollout.candidate);
  const blocks = shared(rollout.steps.map(({ share }) => block(from, Math.min(share, most))));
  return {
    live: blocks[0] ?? block(from, 0),
    id: rollout.id,
    label: rollout.candidate,
    why: `rollout ${rollout.id}`,
    candidate,
    buckets: buckets(salt, rollout),
    steps: shared(rollout.steps),
    blocks,
    guards: rollout.rollback && compileGuards(rollout.rollback),
    // A copy asks a server for the same thing twice.
    warmUp: candidate.resending.isIdempotent ? rollout.warm_up : 0,
    minRequests: rollout.min_requests,
    maxDurationMs: rollout.max_duration,
    maxDisagreement: rollout.max_disagreement,
    guardTimeMs: rollout.guard_time,
  };
}

function compileGuards(written: NonNullable<WrittenRollout['rollback']>): Guards {
  return {
    errorRate: written.error_rate,
    latencyP99Ms: written.latency_p99,
    versusBaseline: written.versus_baseline.errors,
    versusBaselineLatency: written.versus_baseline.latency,
    consecutiveFailures: written.consecutive_failures,
    pauseMs: written.pause,
    disagreement: written.disagreement,
    falseAlarm: written.false_alarm,
    action: written.action,
  };
}

function sortingOf(rollouts: readonly Rollout[]): Sorting | undefined {
  const [first] = rollouts;
  if (first === undefined) return undefined;
  const { unit, withoutUnit } = first.buckets;
  return shared({ unit, withoutUnit });
}

function compileTiers(name: string, { tiers }: WrittenTiered, models: ReadonlyMap<string, Model>): TieredModel {
  const rungs = Object.entries(tiers.ladder).map(([tier, target]) => {
    const model = models.get(target);
    if (model?.kind !== 'served') throw new Error(`model ${target} passed the check but is no rung`);
    return [tier, model] as const;
  });
  return {
    kind: 'tiers',
    name,
    ladder: new Map(rungs),
    rules: tiers.rules.map(compileRule),
    complexity: tiers.complexity && compileComplexity(tiers.complexity),
    noSignal: tiers.no_signal,
    timeoutMs: tiers.timeout ?? Math.max(...rungs.map(([, { timeoutMs }]) => timeoutMs)),
    costs: new Map(Object.entries(tiers.costs ?? {})),
    costGroups: tiers.cost_groups,
    escalation: tiers.escalate && compileEscalation(Object.keys(tiers.ladder), tiers.escalate),
  };
}
