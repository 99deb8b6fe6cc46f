// What the shape of the file cannot say: every name leads somewhere, shares fit together, nothing can never happen.
import type { Mistake } from '../mistakes.ts';
import type { WrittenServed } from '../schema/model.ts';
import type { PolicyFile } from '../schema.ts';
import { checkExperiment, checkRollouts } from './check-shares.ts';
import { checkTiers } from './check-tiers.ts';
import { known, knownServed, type Path } from './known.ts';

/** Every mistake in how the parts of a policy fit together. */
export function check(file: PolicyFile): Mistake[] {
  const models = Object.entries(file.models).flatMap(([name, model]) =>
    'tiers' in model ? checkTiers(name, model, file) : checkServed(['models', name], model, file),
  );
  return [...checkFleet(file), ...models, ...checkPrefixes(file), ...checkIds(file)];
}

function checkFleet(file: PolicyFile): Mistake[] {
  const mistakes: Mistake[] = [];
  if (Object.keys(file.models).length === 0)
    mistakes.push({ path: ['models'], message: 'expected at least one model' });
  const owners = new Map<string, string>();
  for (const [name, server] of Object.entries(file.fleet)) {
    const { origin } = new URL(server.url);
    const owner = owners.get(origin);
    if (owner !== undefined)
      mistakes.push({
        path: ['fleet', name, 'url'],
        message: `server "${owner}" has the same address; name a server once`,
      });
    owners.set(origin, name);
    if (server.tls !== undefined && !server.url.toLowerCase().startsWith('https:'))
      mistakes.push({ path: ['fleet', name, 'tls'], message: 'tls needs a url with https://' });
  }
  return mistakes;
}

function checkServed(path: Path, model: WrittenServed, file: PolicyFile): Mistake[] {
  const labels = Object.keys(model.versions);
  const versions = labels.flatMap((label) => checkVersion([...path, 'versions', label], model, label, file));
  return [
    ...versions,
    ...(labels.length === 0 ? [{ path: [...path, 'versions'], message: 'expected at least one version' }] : []),
    ...known([...path, 'baseline'], model.baseline, labels, 'version'),
    ...checkProtocol(path, model),
    ...checkRollouts(path, model, labels),
    ...(model.experiment === undefined ? [] : checkExperiment([...path, 'experiment'], model.experiment, labels)),
    ...checkShadows(path, model, file),
  ];
}

/** What one version says beside its servers. */
function checkVersion(path: Path, model: WrittenServed, label: string, file: PolicyFile): Mistake[] {
  const version = model.versions[label];
  if (version === undefined) return [];
  const { servers, prefer, timeout } = version;
  const hasPreferred = servers.some(
    (server) => Object.hasOwn(file.fleet, server) && file.fleet[server]?.class === prefer,
  );
  return [
    ...checkServers([...path, 'servers'], servers, Object.keys(file.fleet)),
    ...(prefer !== undefined && !hasPreferred
      ? [{ path: [...path, 'prefer'], message: `none of its servers is of class ${prefer}` }]
      : []),
    ...(timeout !== undefined && timeout > model.timeout
      ? [{ path: [...path, 'timeout'], message: 'longer than the timeout of the model, which is the whole deadline' }]
      : []),
  ];
}

function checkServers(path: Path, servers: readonly string[], fleet: readonly string[]): Mistake[] {
  return servers.flatMap((server, i) => {
    if (servers.indexOf(server) < i) return [{ path: [...path, i], message: `server "${server}" is listed twice` }];
    return known([...path, i], server, fleet, 'server', ' in the fleet');
  });
}

function checkProtocol(path: Path, model: WrittenServed): Mistake[] {
  const isHttp = model.protocol === 'http';
  const mistakes: Mistake[] = [];
  if (isHttp && model.prefix === undefined)
    mistakes.push({ path: [...path, 'protocol'], message: 'protocol http needs a prefix, such as /llm' });
  for (const key of ['prefix', 'idle_timeout'] as const)
    if (!isHttp && model[key] !== undefined)
      mistakes.push({ path: [...path, key], message: `${key} belongs to protocol http alone` });
  if (isHttp && model.hedge_after !== undefined)
    mistakes.push({ path: [...path, 'hedge_after'], message: 'streamed answers cannot be hedged' });
  return mistakes.concat(isHttp ? checkStreamed(path, model) : []);
}

/** Bodies of protocol http pass through as they come: nothing may ask what is in them. */
function checkStreamed(path: Path, { experiment, rollout }: WrittenServed): Mistake[] {
  const rollouts = Array.isArray(rollout)
    ? rollout.map((each, i) => ({ unit: each.unit, at: [...path, 'rollout', i] }))
    : rollout === undefined
      ? []
      : [{ unit: rollout.unit, at: [...path, 'rollout'] }];
  const experiments = experiment === undefined ? [] : [{ unit: experiment.unit, at: [...path, 'experiment'] }];
  return [...rollouts, ...experiments]
    .filter(({ unit }) => unit.startsWith('body '))
    .map(({ at }) => ({
      path: [...at, 'unit'],
      message: 'bodies of protocol http are streamed, never read; use a header',
    }));
}

/** No path may lie below the prefixes of two models. */
function checkPrefixes(file: PolicyFile): Mistake[] {
  const prefixes = Object.entries(file.models).flatMap(([model, written]) =>
    'tiers' in written || written.prefix === undefined ? [] : [{ model, prefix: `${written.prefix}/` }],
  );
  return prefixes.flatMap(({ model, prefix }, i) => {
    const other = prefixes
      .slice(0, i)
      .find((before) => before.prefix.startsWith(prefix) || prefix.startsWith(before.prefix));
    const message = `lies below the same path as that of model "${other?.model}"`;
    return other === undefined ? [] : [{ path: ['models', model, 'prefix'], message }];
  });
}

function checkShadows(path: Path, model: WrittenServed, file: PolicyFile): Mistake[] {
  const own = path[path.length - 1];
  const names = (model.shadow ?? []).map(({ name, version, model: other }) => name ?? version ?? other);
  return (model.shadow ?? []).flatMap((shadow, i) => {
    const at = [...path, 'shadow', i];
    if (names.indexOf(names[i]) < i)
      return [{ path: at, message: `two shadows are called "${names[i]}"; give one a name` }];
    if (shadow.version !== undefined && shadow.version === model.baseline)
      return [
        { path: [...at, 'version'], message: `"${shadow.version}" is the baseline; a shadow needs another version` },
      ];
    if (shadow.version !== undefined)
      return known([...at, 'version'], shadow.version, Object.keys(model.versions), 'version');
    if (shadow.model === own) return [{ path: [...at, 'model'], message: 'a model cannot be its own shadow' }];
    return checkShadowModel([...at, 'model'], shadow.model ?? '', model, file);
  });
}

function checkShadowModel(path: Path, target: string, { protocol }: WrittenServed, file: PolicyFile): Mistake[] {
  const mistakes = knownServed(path, target, file, 'a shadow is a model');
  const other = file.models[target];
  if (mistakes.length > 0 || other === undefined || 'tiers' in other) return mistakes;
  if ((other.protocol === 'http') === (protocol === 'http')) return [];
  return [{ path, message: `model "${target}" has protocol ${other.protocol} and cannot take copies of ${protocol}` }];
}

/** A rollout's or experiment's id means one thing in the whole file. */
function checkIds(file: PolicyFile): Mistake[] {
  const owners = new Map<string, string>();
  const ids = Object.entries(file.models).flatMap(([model, written]) => {
    if ('tiers' in written) return [];
    const { rollout, experiment } = written;
    const list = Array.isArray(rollout)
      ? rollout.map(({ id }, i) => ({ id, path: ['models', model, 'rollout', i, 'id'] }))
      : [];
    const one =
      rollout && !Array.isArray(rollout) ? [{ id: rollout.id, path: ['models', model, 'rollout', 'id'] }] : [];
    return [
      ...list,
      ...one,
      ...(experiment ? [{ id: experiment.id, path: ['models', model, 'experiment', 'id'] }] : []),
    ];
  });
  return ids.flatMap(({ id, path }) => {
    const owner = owners.get(id);
    owners.set(id, path.slice(1, -1).join('.'));
    return owner === undefined ? [] : [{ path, message: `the id "${id}" is taken by ${owner}` }];
  });
}
