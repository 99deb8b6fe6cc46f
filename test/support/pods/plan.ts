// What a cluster makes of rendered objects: which pods there are, and what each container's process is given. Pure.
import { API_SERVER, type ServiceLink, serviceVariables } from '../kubelet.ts';
import type { Container, EnvVar, PodSpec, Probe, Thing, Volume } from '../kubernetes.ts';

/** An image, laid out: its files, and what it says of the process. */
export type Image = {
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly workdir: string;
  /** Shell scripts that stand in /usr/local/bin, by name. */
  readonly programs?: Readonly<Record<string, string>>;
};

/** Files of a volume; undefined for an empty folder. */
export type Files = Readonly<Record<string, string>> | undefined;

export type Mount = { readonly path: string; readonly isReadOnly: boolean; readonly files: Files };

export type PodPlan = {
  readonly name: string;
  readonly ip: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly image: Image;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
  readonly isReadOnly: boolean;
  readonly mounts: readonly Mount[];
  readonly ports: Readonly<Record<string, number>>;
  readonly probes: { readonly startup?: Probe; readonly readiness?: Probe; readonly liveness?: Probe };
  /** Whether it is a task with an end of its own, which is tried again when it fails. */
  readonly isTask: boolean;
  /** From SIGTERM to SIGKILL: the grace period less what preStop takes of it. */
  readonly graceMs: number;
};

export type ServicePlan = {
  readonly name: string;
  /** undefined when headless: its name leads to the pods themselves. */
  readonly address: string | undefined;
  readonly withUnready: boolean;
  readonly selector: Readonly<Record<string, string>>;
  readonly ports: readonly { readonly port: number; readonly target: string | number }[];
};

export type ClusterPlan = { readonly pods: readonly PodPlan[]; readonly services: readonly ServicePlan[] };

/** The pods and Services of some objects, Secrets among them. `images` are by name, without a tag. */
export function planOf(things: readonly Thing[], images: Readonly<Record<string, Image>>): ClusterPlan {
  const services = things.filter(({ kind }) => kind === 'Service').map(serviceOf);
  const links = services.flatMap(({ link }) => (link === undefined ? [] : [link]));
  const pods = things.flatMap((thing) =>
    names(thing).map((name) => ({ name, thing, spec: thing.spec?.template?.spec as PodSpec })),
  );
  return {
    services: services.map(({ plan }) => plan),
    pods: pods.map(({ name, thing, spec }, i) => {
      if (spec.containers.length !== 1) throw new Error(`${name}: one container is what this knows of`);
      const [container] = spec.containers as [Container];
      const image = images[container.image.split(':')[0] ?? ''];
      if (image === undefined) throw new Error(`no image ${container.image}`);
      return podOf({ name, ip: `10.244.1.${i + 1}`, thing, spec, container, image, things, links });
    }),
  };
}

/** The names of the pods that a controller makes; none when it makes none. */
function names({ kind, metadata: { name }, spec }: Thing): string[] {
  if (spec?.template === undefined) return [];
  const count = kind === 'Job' ? 1 : (spec.replicas ?? 1);
  return Array.from({ length: count }, (_, i) => `${name}-${kind === 'Deployment' ? `5d4f8-${i}` : i}`);
}

function serviceOf({ metadata: { name }, spec = {} }: Thing, i: number): { plan: ServicePlan; link?: ServiceLink } {
  const isHeadless = spec.clusterIP === 'None';
  const address = isHeadless ? undefined : `10.96.0.${i + 10}`;
  const ports = spec.ports ?? [];
  const plan = {
    name,
    address,
    withUnready: spec.publishNotReadyAddresses === true,
    selector: spec.selector as Record<string, string>,
    ports: ports.map(({ port, targetPort }) => ({ port, target: targetPort ?? port })),
  };
  return address === undefined ? { plan } : { plan, link: { name, address, ports } };
}

type Making = {
  readonly name: string;
  readonly ip: string;
  readonly thing: Thing;
  readonly spec: PodSpec;
  readonly container: Container;
  readonly image: Image;
  readonly things: readonly Thing[];
  readonly links: readonly ServiceLink[];
};

function podOf(making: Making): PodPlan {
  const { name, ip, thing, spec, container, image } = making;
  const { runAsUser: uid, runAsGroup: gid, fsGroup } = spec.securityContext ?? {};
  if (uid === undefined || gid === undefined) throw new Error(`${name}: no user and group are set`);
  const env = environmentOf(making);
  const { startupProbe: startup, readinessProbe: readiness, livenessProbe: liveness } = container;
  return {
    name,
    ip,
    labels: thing.spec?.template?.metadata.labels ?? {},
    image,
    argv: [...(container.command ?? image.entrypoint), ...(container.args ?? [])].map((word) => expand(word, env)),
    env,
    user: { uid, gid, groups: fsGroup === undefined ? [] : [fsGroup] },
    isReadOnly: container.securityContext?.readOnlyRootFilesystem === true,
    mounts: mountsOf(making),
    ports: Object.fromEntries((container.ports ?? []).map((port) => [port.name, port.containerPort])),
    probes: { ...(startup && { startup }), ...(readiness && { readiness }), ...(liveness && { liveness }) },
    isTask: thing.kind === 'Job',
    graceMs: 1000 * ((spec.terminationGracePeriodSeconds ?? 30) - (container.lifecycle?.preStop?.sleep?.seconds ?? 0)),
  };
}

/** The image's variables, then the Services', then those that the pod names: the later wins. */
function environmentOf({ name, spec, image, container, links, ...making }: Making): Record<string, string> {
  const env: Record<string, string> = {
    HOSTNAME: name,
    ...image.env,
    ...serviceVariables(spec.enableServiceLinks === false ? [API_SERVER] : [API_SERVER, ...links]),
  };
  for (const variable of container.env ?? [])
    env[variable.name] = expand(variable.value ?? valueFrom(variable, { name, ...making }), env);
  return env;
}

function valueFrom({ name, valueFrom: from }: EnvVar, pod: Pick<Making, 'name' | 'ip' | 'things'>): string {
  if (from?.secretKeyRef !== undefined) {
    const value = dataOf(pod.things, 'Secret', from.secretKeyRef.name)[from.secretKeyRef.key];
    if (value !== undefined) return value;
  }
  if (from?.fieldRef?.fieldPath === 'status.podIP') return pod.ip;
  if (from?.fieldRef?.fieldPath === 'metadata.name') return pod.name;
  if (from === undefined || from === null) return '';
  throw new Error(`${pod.name}: ${name} comes from ${JSON.stringify(from)}, which is not there`);
}

/** `$(NAME)` is a variable's value when there is such a variable, `$$` is a dollar: Kubernetes' own expansion. */
function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (all, name) => (all === '$$' ? '$' : (env[name] ?? all)));
}

function mountsOf({ name, thing, spec, container, things }: Making): Mount[] {
  return (container.volumeMounts ?? []).map(({ name: volume, mountPath, readOnly }) => {
    const isClaim = thing.spec?.volumeClaimTemplates?.some(({ metadata }) => metadata.name === volume) === true;
    const found = spec.volumes?.find((each) => each.name === volume);
    if (!isClaim && found === undefined) throw new Error(`${name}: no volume ${volume}`);
    const files = found === undefined ? undefined : filesOf(found, things);
    return { path: mountPath, isReadOnly: readOnly === true || files !== undefined, files };
  });
}

function filesOf({ name, configMap, secret, emptyDir }: Volume, things: readonly Thing[]): Files {
  if (configMap !== undefined) return dataOf(things, 'ConfigMap', configMap.name);
  if (secret !== undefined) {
    const data = dataOf(things, 'Secret', secret.secretName);
    const items = secret.items ?? Object.keys(data).map((key) => ({ key, path: key }));
    return Object.fromEntries(
      items.map(({ key, path }) => {
        if (data[key] === undefined) throw new Error(`the secret ${secret.secretName} has no ${key}`);
        return [path, data[key]];
      }),
    );
  }
  if (emptyDir === undefined) throw new Error(`the volume ${name} is of a kind that this does not know`);
  return undefined;
}

function dataOf(things: readonly Thing[], kind: string, name: string): Readonly<Record<string, string>> {
  const found = things.find((thing) => thing.kind === kind && thing.metadata.name === name);
  if (found?.data === undefined) throw new Error(`no ${kind} ${name}`);
  return found.data;
}
