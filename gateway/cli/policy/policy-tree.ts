// A policy as named values in words, for comparing two: what it compiles to, and from the file as written what does not
// compile to anything yet.
import { pathOf } from '../../policy/paths.ts';
import type { Experiment, Policy, Rollout, ServedModel, TieredModel, Version } from '../../policy/policy.ts';
import type { WrittenRollout, WrittenServed, WrittenTiered } from '../../policy/schema/model.ts';
import type { PolicyFile } from '../../policy/schema.ts';
import { durationText, shareText } from '../text/amounts.ts';
import { conditionText, shareOf, stepText, unitText, withoutUnitText } from './policy-text.ts';

/** Values by name, nested as in the file. */
export type Tree = { readonly [name: string]: Tree | string | undefined };

/** The parts of a policy, `fleet.cpu-a` or `models.digits`, each with its values. */
export function policyTree(written: PolicyFile, policy: Policy): Map<string, Tree> {
  const servers = [...policy.fleet.values()].map(({ name, origin, maxInFlight, class: kind }) => {
    const { weight, tls } = written.fleet[name] ?? {};
    const values = { url: origin, class: kind, max_in_flight: String(maxInFlight), ...treeOf({ weight, tls }) };
    return [`fleet.${name}`, values] as const;
  });
  const models = [...policy.models.values()].map((model) => {
    const own = written.models[model.name];
    if (own === undefined) throw new Error(`model ${model.name} was compiled from nothing`);
    return [`models.${model.name}`, modelTree(model, own)] as const;
  });
  return new Map<string, Tree>([...servers, ...models]);
}

function modelTree(model: ServedModel | TieredModel, written: WrittenServed | WrittenTiered): Tree {
  if (model.kind === 'tiers')
    return { tiers: tiersTree(model, 'tiers' in written ? written.tiers.escalate : undefined) };
  if ('tiers' in written) throw new Error(`model ${model.name} was compiled from tiers`);
  const { protocol, prefix, shadow = [] } = written;
  const rollouts = written.rollout === undefined ? [] : [written.rollout].flat();
  return {
    ...treeOf({ protocol, prefix }),
    timeout: durationText(model.timeoutMs),
    baseline: model.baseline.label,
    pins: typeof model.pins === 'string' ? model.pins : model.pins.map(conditionText).join(' and '),
    versions: named(model.versions.values(), 'label', (version) => versionTree(model, version, written)),
    rollout: named(model.rollouts, 'id', (rollout) =>
      rolloutTree(
        rollout,
        rollouts.find(({ id }) => id === rollout.id),
      ),
    ),
    experiment: named(model.experiment ? [model.experiment] : [], 'id', experimentTree),
    shadow: Object.fromEntries(shadow.map((each) => [each.name ?? each.version ?? each.model ?? '', treeOf(each)])),
  };
}

function versionTree(model: ServedModel, version: Version, written: WrittenServed): Tree {
  const { prefer, max_in_flight } = written.versions[version.label] ?? {};
  return {
    servers: version.servers.join(', '),
    path: pathOf(version, 'infer'),
    ...(version.timeoutMs === model.timeoutMs ? {} : { timeout: durationText(version.timeoutMs) }),
    ...treeOf({ prefer, max_in_flight }),
  };
}

function rolloutTree({ candidate, live, steps, buckets }: Rollout, written: WrittenRollout | undefined): Tree {
  const { rollback, holdback, warm_up, min_requests, max_duration, max_disagreement, guard_time } = written ?? {};
  return {
    candidate: candidate.label,
    share: shareText(shareOf(live)),
    ...(steps.length > 1 || steps[0]?.until !== 'held' ? { steps: steps.map(stepText).join(', ') } : {}),
    ...(live.from > 0 ? { from: shareText(shareOf({ from: 0, to: live.from })) } : {}),
    unit: unitText(buckets.unit),
    without_unit: withoutUnitText(buckets.withoutUnit),
    salt: buckets.salt,
    ...treeOf({ rollback, holdback, warm_up, min_requests, max_duration, max_disagreement, guard_time }),
  };
}

function experimentTree({ buckets, arms, holdout, allowReshuffle }: Experiment): Tree {
  return {
    unit: unitText(buckets.unit),
    without_unit: withoutUnitText(buckets.withoutUnit),
    salt: buckets.salt,
    holdout: shareText(shareOf(holdout.live)),
    allow_reshuffle: String(allowReshuffle),
    arms: Object.fromEntries(
      arms.map(({ version, live, reserved }) => {
        const room = reserved.to > live.to ? `, up to ${shareText(shareOf(reserved))}` : '';
        const start = shareText(shareOf({ from: 0, to: live.from }));
        return [version.label, `${shareText(shareOf(live))}${room}, its block starts at ${start}`];
      }),
    ),
  };
}

function tiersTree({ ladder, rules, complexity, noSignal }: TieredModel, escalate: unknown): Tree {
  return {
    ladder: [...ladder].map(([tier, { name }]) => `${tier} (${name})`).join(' -> '),
    rules: Object.fromEntries(
      rules.map(({ when, use }, i) => [`${i + 1}`, `${when.map(conditionText).join(' and ') || 'always'}: use ${use}`]),
    ),
    complexity: Object.fromEntries(
      (complexity?.features ?? []).map(({ kind, path, weight, low, high }) => [
        [kind, ...path].join(' '),
        `weight ${weight}, from ${low} to ${high}`,
      ]),
    ),
    no_signal: noSignal,
    ...treeOf({ escalate }),
  };
}

function named<K extends string, T extends { readonly [key in K]: string }>(
  items: Iterable<T>,
  key: K,
  tree: (item: T) => Tree,
): Tree {
  return Object.fromEntries([...items].map((item) => [item[key], tree(item)]));
}

const DURATIONS = new Set(['age', 'max_duration', 'latency_p99', 'guard_time']);
const SHARES = new Set(['sample', 'error_rate', 'disagreement', 'false_alarm', 'holdback', 'max_disagreement']);
/** Those of versus_baseline. */
const RATIOS = new Set(['errors', 'latency']);

/** Values as written: the file's own names, units put back. */
function treeOf(values: object): Tree {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      if (typeof value === 'number' && DURATIONS.has(name)) return [name, durationText(value)];
      if (typeof value === 'number' && SHARES.has(name)) return [name, shareText(value)];
      if (typeof value === 'number' && RATIOS.has(name)) return [name, `${value}x`];
      if (Array.isArray(value)) return [name, value.join(', ')];
      return [name, typeof value === 'object' && value !== null ? treeOf(value) : value?.toString()];
    }),
  );
}
