// The node that pods run on, out of Linux' own parts: a bridge, a network namespace a pod, a hosts file in the place of the
// cluster's DNS, and a proxy for each Service with an address in the place of kube-proxy. Needs root, in a network and mount
// namespace of its own (`unshare --net --mount`), so that nothing of it is seen outside.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { PodPlan, ServicePlan } from './plan.ts';
import type { Pod } from './pod.ts';

const NODE_ADDRESS = '10.244.0.1';
/** The file keeps its size, so that a reader never sees a part of it. */
const HOSTS_BYTES = 8192;

function ip(...args: readonly string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

export class Machine {
  readonly hosts: string;
  readonly #services: readonly ServicePlan[];
  readonly #proxies: Server[] = [];
  pods: readonly Pod[] = [];

  constructor(folder: string, services: readonly ServicePlan[]) {
    this.#services = services;
    this.hosts = join(folder, 'hosts');
    writeFileSync(this.hosts, ''.padEnd(HOSTS_BYTES, '\n'));
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
    mkdirSync('/run/netns');
    ip('link', 'set', 'lo', 'up');
    ip('link', 'add', 'br0', 'type', 'bridge');
    ip('addr', 'add', `${NODE_ADDRESS}/16`, 'dev', 'br0');
    ip('link', 'set', 'br0', 'up');
  }

  /** A network namespace for a pod, with its address. */
  addNetwork({ name, ip: address }: PodPlan, index: number): void {
    ip('netns', 'add', name);
    ip('link', 'add', `veth${index}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
    ip('link', 'set', `veth${index}`, 'master', 'br0', 'up');
    ip('-n', name, 'link', 'set', 'lo', 'up');
    ip('-n', name, 'addr', 'add', `${address}/16`, 'dev', 'eth0');
    ip('-n', name, 'link', 'set', 'eth0', 'up');
    ip('-n', name, 'route', 'add', 'default', 'via', NODE_ADDRESS);
  }

  /** Serves the address of every Service that has one, as kube-proxy does: each connection to some ready pod. */
  async openServices(): Promise<void> {
    for (const { address, ports, selector } of this.#services) {
      if (address === undefined) continue;
      ip('addr', 'add', `${address}/32`, 'dev', 'lo');
      for (const { port, target } of ports) await this.#proxy(address, port, () => this.#endpoint(selector, target));
    }
    this.writeHosts();
  }

  /** Writes what every name leads to now; called when a pod has become ready or is ready no more. */
  writeHosts(): void {
    const lines = this.#services.flatMap((service) => this.#namesOf(service));
    const text = ['127.0.0.1 localhost', ...lines, ''].join('\n');
    const file = openSync(this.hosts, 'r+');
    writeSync(file, text.padEnd(HOSTS_BYTES, '\n'), 0);
    closeSync(file);
  }

  close(): void {
    for (const proxy of this.#proxies) proxy.close();
  }

  #namesOf({ name, address, selector, withUnready }: ServicePlan): string[] {
    if (address !== undefined) return [`${address} ${namesIn(name)}`];
    return this.#selected(selector)
      .filter(({ isReady }) => withUnready || isReady)
      .map(({ plan }) => `${plan.ip} ${namesIn(name)} ${namesIn(`${plan.name}.${name}`)}`);
  }

  #selected(selector: Readonly<Record<string, string>>): Pod[] {
    return this.pods.filter(({ plan }) => Object.entries(selector).every(([key, value]) => plan.labels[key] === value));
  }

  #endpoint(selector: Readonly<Record<string, string>>, target: string | number) {
    const ready = this.#selected(selector).filter(({ isReady }) => isReady);
    const pod = ready[Math.floor(Math.random() * ready.length)];
    const port = typeof target === 'number' ? target : pod?.plan.ports[target];
    return pod === undefined || port === undefined ? undefined : { host: pod.plan.ip, port };
  }

  #proxy(address: string, port: number, endpoint: () => { host: string; port: number } | undefined): Promise<void> {
    const server = createServer((socket) => {
      const to = endpoint();
      if (to === undefined) return socket.resetAndDestroy();
      const upstream = connect(to);
      for (const [from, other] of [
        [socket, upstream],
        [upstream, socket],
      ] as const) {
        from.on('error', () => other.destroy());
        from.pipe(other);
      }
    });
    this.#proxies.push(server);
    return new Promise((resolve, reject) => server.once('error', reject).listen(port, address, resolve));
  }
}

/** A Service's names within its namespace. */
function namesIn(name: string): string {
  return `${name} ${name}.sluice ${name}.sluice.svc.cluster.local`;
}
