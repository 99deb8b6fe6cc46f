// What kubelet adds to the environment of a container. From kubernetes/pkg/kubelet/envvars: FromServices, makeLinkVariables.

/** A Service as kubelet sees it. A headless one (`clusterIP: None`) gives no variables. */
export type ServiceLink = {
  readonly name: string;
  readonly address: string;
  readonly ports: readonly { readonly name?: string; readonly port: number; readonly protocol?: string }[];
};

/** The Service of the API server, which every pod is given, service links or not. */
export const API_SERVER: ServiceLink = {
  name: 'kubernetes',
  address: '10.96.0.1',
  ports: [{ name: 'https', port: 443 }],
};

/** The variables of some Services, in the order of kubelet. */
export function serviceVariables(services: readonly ServiceLink[]): Record<string, string> {
  return Object.assign({}, ...services.map(variablesOf));
}

function variablesOf({ name, address, ports: [first, ...others] }: ServiceLink): Record<string, string> {
  if (first === undefined) return {};
  const prefix = variableOf(name);
  const variables: Record<string, string> = {
    [`${prefix}_SERVICE_HOST`]: address,
    [`${prefix}_SERVICE_PORT`]: String(first.port),
    [`${prefix}_PORT`]: `${(first.protocol ?? 'TCP').toLowerCase()}://${address}:${first.port}`,
  };
  for (const { name: portName, port, protocol = 'TCP' } of [first, ...others]) {
    if (portName !== undefined) variables[`${prefix}_SERVICE_PORT_${variableOf(portName)}`] = String(port);
    const link = `${prefix}_PORT_${port}_${protocol}`;
    variables[link] = `${protocol.toLowerCase()}://${address}:${port}`;
    variables[`${link}_PROTO`] = protocol.toLowerCase();
    variables[`${link}_PORT`] = String(port);
    variables[`${link}_ADDR`] = address;
  }
  return variables;
}

function variableOf(name: string): string {
  return name.replaceAll('-', '_').toUpperCase();
}
