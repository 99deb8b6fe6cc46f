// Variables that a platform puts into the environment by itself, and that look like settings of ours. Kubelet sets some for
// every Service of the pod's namespace (Kubernetes, "Accessing the Service": environment variables), Docker for every link
// (docs.docker.com, "Legacy container links"). A Service named `sluice` makes SLUICE_PORT=tcp://10.0.0.7:8080.

/** The value of NAME_PORT: where a Service or a linked container listens. No setting of ours takes such a value. */
const ENDPOINT = /^(tcp|udp|sctp):\/\/\S+:\d+$/;

/** Names that are injected whatever they hold. None of our settings has such a name (kept by a test). */
const INJECTED_NAME =
  /_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$|_ENV_/;

/** Whether a platform has set this variable, and nobody meant it as a setting. */
export function isInjected(name: string, value: string): boolean {
  if (name.endsWith('_PORT') && ENDPOINT.test(value)) return true;
  if (name.endsWith('_NAME') && value.startsWith('/')) return true; // of a Docker link: /gateway/sluice
  return INJECTED_NAME.test(name);
}

/** What the environment says for a setting; undefined when it says nothing, an empty text, or what a platform has injected. */
export function settingIn(env: NodeJS.ProcessEnv, name: string | undefined): string | undefined {
  const value = name === undefined ? undefined : env[name];
  return name === undefined || !value || isInjected(name, value) ? undefined : value;
}
