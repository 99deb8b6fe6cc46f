// deploy/kubernetes: every overlay renders with an old and a current kubectl to the same thing, which fits the schemas of
// Kubernetes, and what it says of ports, times and settings is true of the programs.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import { parseAllDocuments } from 'yaml';
import { MODEL_SERVER_OPTIONS } from '../../gateway/cli/run/model-server-options.ts';
import { SETTING_NAMES } from '../../gateway/cli/stray-settings.ts';
import { parseServable } from '../../gateway/policy/load/load.ts';
import { currentKubectl } from '../support/current-kubectl.ts';
import { FOLDER, OVERLAYS, render, SCALERS, type Thing } from '../support/kubernetes.ts';
import { needs, pathOf } from '../support/programs.ts';
import { trackedFiles } from '../support/tracked-files.ts';

const podsOf = (things: readonly Thing[]) => things.flatMap(({ spec }) => (spec?.template ? [spec.template] : []));

/** The same for every order of a list of names, and without what is empty. */
function settled(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(settled);
    const names = items.map((item) => (item as { name?: unknown } | null)?.name);
    return names.every((name) => typeof name === 'string')
      ? items.sort((a, b) => String((a as { name: string }).name).localeCompare((b as { name: string }).name))
      : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, each]) => [key, settled(each)] as const);
  return Object.fromEntries(
    entries
      .filter(([, each]) => each !== null && !(typeof each === 'object' && Object.keys(each).length === 0))
      .sort(([a], [b]) => a.localeCompare(b)),
  );
}

/** Validates by Kubernetes' own definitions, and knows no field that they do not. */
function validator(): (thing: Thing) => string[] {
  const { definitions } = JSON.parse(readFileSync('test/deploy/fixtures/kubernetes-1.35.json', 'utf8')) as {
    definitions: Record<string, { properties?: object; additionalProperties?: unknown }>;
  };
  for (const definition of Object.values(definitions))
    if (definition.properties !== undefined) definition.additionalProperties ??= false;
  const keda = JSON.parse(readFileSync('test/deploy/fixtures/keda-scaledobject.json', 'utf8'));
  const ajv = new Ajv({ strict: false, allErrors: true, formats: { int32: true, int64: true, 'date-time': true } });
  ajv.addSchema({ $id: 'kubernetes', definitions });
  return (thing) => {
    const [group = '', version = ''] = thing.apiVersion.includes('/')
      ? thing.apiVersion.split('/')
      : ['core', thing.apiVersion];
    const name = `io.k8s.api.${group.replace(/\.k8s\.io$/, '')}.${version}.${thing.kind}`;
    const schema = thing.kind === 'ScaledObject' ? keda : { $ref: `kubernetes#/definitions/${name}` };
    const { kind, metadata } = thing;
    const validate = ajv.compile(schema);
    validate(thing);
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${kind} ${metadata.name}${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  };
}

test(
  'an old kubectl and a current one render every overlay to the same things, and those fit the schemas',
  needs('kubectl', 'unzip'),
  () => {
    const current = currentKubectl();
    const check = validator();
    for (const folder of [...OVERLAYS, ...SCALERS]) {
      const things = render(current, folder);
      assert.ok(things.length > 0, folder);
      assert.deepEqual(things.flatMap(check), [], folder);
      const old = render(pathOf('kubectl') ?? '', folder);
      const sorted = (all: Thing[]) =>
        all.map(settled).sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));
      assert.deepEqual(sorted(old), sorted(things), folder);
    }
  },
);

test('the schemas refuse a field that does not exist and a value of another type', () => {
  const check = validator();
  const thing = (spec: object) =>
    ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' }, spec }) as Thing;
  const good = { selector: {}, template: { spec: { containers: [{ name: 'c', image: 'i' }] } } };
  assert.deepEqual(check(thing(good)), []);
  assert.equal(check(thing({ ...good, replica: 2 })).length, 1);
  assert.equal(check(thing({ ...good, replicas: '2' })).length, 1);
});

test(
  'selectors find pods, probes find ports, and every pod fits the restricted standard',
  needs('kubectl', 'unzip'),
  () => {
    for (const folder of OVERLAYS) {
      const things = render(currentKubectl(), folder);
      assert.ok(things.every(({ kind, metadata }) => kind === 'Namespace' || metadata.namespace === 'sluice'));
      const pods = podsOf(things);
      for (const { kind, metadata, spec } of things) {
        const selector = spec?.selector ?? spec?.podSelector;
        const labels = (selector?.matchLabels ?? (kind === 'Service' ? selector : undefined)) as
          | Record<string, string>
          | undefined;
        if (labels === undefined) continue;
        const found = pods.filter((pod) =>
          Object.entries(labels).every(([key, value]) => pod.metadata.labels[key] === value),
        );
        assert.ok(found.length > 0, `${folder}: ${kind} ${metadata.name} selects no pod`);
        for (const { targetPort } of kind === 'Service' ? (spec?.ports ?? []) : [])
          assert.ok(
            targetPort === undefined ||
              found.some(({ spec: pod }) =>
                pod.containers.some(({ ports }) => ports?.some(({ name }) => name === targetPort)),
              ),
            `${folder}: ${metadata.name} has no port ${targetPort}`,
          );
      }
      for (const { spec } of pods) {
        assert.equal(spec.automountServiceAccountToken, false);
        // Kubelet would set SLUICE_PORT=tcp://... for a Service named `sluice`.
        assert.equal(spec.enableServiceLinks, false, `${folder}: ${spec.containers[0]?.image}`);
        assert.equal(spec.securityContext?.runAsNonRoot, true);
        assert.equal(spec.securityContext?.seccompProfile?.type, 'RuntimeDefault');
        for (const container of spec.containers) {
          assert.deepEqual(container.securityContext, {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
          assert.ok(container.resources?.requests !== undefined && container.resources.limits?.memory !== undefined);
          for (const probe of [container.startupProbe, container.readinessProbe, container.livenessProbe])
            if (probe?.httpGet !== undefined)
              assert.ok(
                container.ports?.some(({ name }) => name === probe.httpGet?.port),
                `${container.name} ${probe.httpGet.port}`,
              );
        }
      }
    }
  },
);

test('settings exist, grace periods cover the drain, and policies can be served', needs('kubectl', 'unzip'), () => {
  for (const folder of OVERLAYS) {
    const things = render(currentKubectl(), folder);
    for (const { spec } of podsOf(things))
      for (const { image, env = [], args = [], lifecycle } of spec.containers) {
        if (!image.startsWith('sluice/')) continue;
        for (const { name } of env) assert.ok(SETTING_NAMES.has(name), name);
        for (const flag of args.filter((arg) => arg.startsWith('--')))
          assert.ok(Object.hasOwn(MODEL_SERVER_OPTIONS, flag.slice(2)), flag);
        const seconds = (name: string) => Number.parseInt(env.find((each) => each.name === name)?.value ?? '0', 10);
        const drain =
          seconds('SLUICE_DRAIN_GRACE') + seconds('SLUICE_DRAIN_TIMEOUT') + seconds('SLUICE_MODEL_SERVER_DRAIN_GRACE');
        const needed = (lifecycle?.preStop?.sleep?.seconds ?? 0) + drain + 5;
        assert.ok((spec.terminationGracePeriodSeconds ?? 30) >= needed, `${folder}: ${image} needs ${needed} s`);
      }
    const policy = things.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'sluice-policy');
    const { fleet } = parseServable(policy?.data?.['policy.yaml'] ?? '', `${folder}/policy.yaml`);
    const services = things.filter(({ kind }) => kind === 'Service');
    for (const { origin } of fleet.values()) {
      const { hostname, port } = new URL(origin);
      const service = services.find(({ metadata }) => metadata.name === hostname);
      assert.ok(
        service?.spec?.ports?.some((each) => String(each.port) === port),
        `${folder}: ${origin}`,
      );
    }
  }
  for (const folder of SCALERS)
    for (const { spec } of render(currentKubectl(), folder))
      assert.equal(spec?.scaleTargetRef?.name, 'model-server-cpu');
});

test('every file below deploy/kubernetes is used by some overlay', () => {
  const used = new Set<string>();
  const visit = (folder: string): void => {
    const file = `${folder}/kustomization.yaml`;
    used.add(file);
    const [document] = parseAllDocuments(readFileSync(file, 'utf8'));
    const {
      bases = [],
      resources = [],
      patchesStrategicMerge = [],
      configMapGenerator = [],
    } = (document?.toJS() ?? {}) as {
      bases?: string[];
      resources?: string[];
      patchesStrategicMerge?: string[];
      configMapGenerator?: { files: string[] }[];
    };
    for (const name of [...resources, ...patchesStrategicMerge, ...configMapGenerator.flatMap(({ files }) => files)]) {
      assert.ok(existsSync(`${folder}/${name}`), `${folder}/${name}`);
      used.add(`${folder}/${name}`);
    }
    for (const base of bases) visit(new URL(`file:///${folder}/${base}`).pathname.slice(1));
  };
  for (const folder of [...OVERLAYS, ...SCALERS]) visit(`${FOLDER}/${folder}`);
  const unused = trackedFiles().filter((file) => file.startsWith(`${FOLDER}/`) && !used.has(file));
  assert.deepEqual(unused, [`${FOLDER}/autoscaling/prometheus-adapter.yaml`]); // the values of a chart
});
