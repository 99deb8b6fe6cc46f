// A whole set-up on this machine: a model server for each loopback server of the fleet, then the gateway.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDocument } from 'yaml';
import { isLoopback } from '../../admin/auth.ts';
import { UserError } from '../../errors.ts';
import { policyAtStart } from '../../policy/load/last-good.ts';
import type { ServerSpec } from '../../policy/servers.ts';
import { Child, ChildExit } from './child.ts';
import type { Listening } from './lifecycle.ts';

const READY_WITHIN_MS = 60_000;
/** On loopback whatever the environment says, and with just the grace that connections in use need to be told. */
const GATEWAY_ARGS = ['--host', '127.0.0.1', '--admin-host', '127.0.0.1', '--drain-grace', '200ms'];

export type LocalSetupOptions = {
  readonly policyFile: string;
  readonly models: string;
  readonly logLevel: string;
  /** The addresses that the policy names, or free ports so that nothing else on the machine is in the way. */
  readonly ports: 'policy' | 'free';
  /** Where the gateway keeps what must survive a restart; a folder of its own that goes with it when left out. */
  readonly data?: string;
  /** More arguments for the gateway. */
  readonly gatewayArgs: readonly string[];
};

export type RunningServer = { readonly name: string; readonly url: string; readonly child: Child };

/** Model servers and a gateway, all ready, as children of this process. */
export class LocalSetup {
  readonly #options: LocalSetupOptions;
  readonly #children: Child[] = [];
  #folder: string | undefined;
  #stopping = false;
  get isStopping(): boolean {
    return this.#stopping;
  }
  servers: RunningServer[] = [];
  gateway: (Listening & { readonly child: Child }) | undefined;
  /** What is served: the file, or the last good copy of it. */
  policy: ReturnType<typeof policyAtStart> | undefined;

  constructor(options: LocalSetupOptions) {
    this.#options = options;
  }

  /** Starts everything; when one part cannot start, those that have are stopped again. */
  async start(): Promise<this> {
    const { policyFile, ports, gatewayArgs, logLevel } = this.#options;
    try {
      const data = this.#options.data ?? join(this.#ownFolder(), 'data');
      this.policy = policyAtStart(data, policyFile);
      const specs = [...this.policy.policy.fleet.values()].filter(({ origin }) => isLoopback(hostOf(origin)));
      this.servers = await Promise.all(specs.map((spec) => this.#startServer(spec)));
      const policy = ports === 'policy' ? policyFile : this.#policyFor(this.servers);
      const child = this.#spawn([
        'gateway',
        '--policy',
        policy,
        '--log-level',
        logLevel,
        '--data',
        data,
        ...GATEWAY_ARGS,
        ...gatewayArgs,
      ]);
      this.gateway = { ...(await child.listening), child };
      return this;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Starts a server again that ended by itself, at the same address. */
  async restart(name: string): Promise<RunningServer | undefined> {
    const server = this.servers.find((running) => running.name === name);
    if (server === undefined || this.#stopping) return undefined;
    const again = await this.#startServer({ name, origin: server.url });
    this.servers = this.servers.map((running) => (running.name === name ? again : running));
    return again;
  }

  /** Kills every process that is left. */
  abandon(): void {
    for (const child of this.#children) child.signal('SIGKILL');
  }

  /** The gateway drains first, so that its last requests still find their servers. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.gateway?.child.stop();
    await Promise.all(this.#children.map((child) => child.stop()));
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }

  async #startServer({ name, origin }: Pick<ServerSpec, 'name' | 'origin'>): Promise<RunningServer> {
    const isFree = this.#options.ports === 'free' && this.gateway === undefined;
    const { port } = new URL(origin);
    const address = ['--host', hostOf(origin), '--port', isFree ? '0' : port || '80'];
    const { models, logLevel } = this.#options;
    if (!isFree) await refuseTaken(name, origin);
    const child = this.#spawn(['model-server', '--models', models, '--log-level', logLevel, ...address]);
    const { url } = await child.listening;
    const early = child.exited.then((code) => {
      throw new ChildExit('model-server', code);
    });
    await Promise.race([untilReady(url), early]).catch(async (error: unknown) => {
      await child.stop(); // or its next start would find the port taken
      throw error;
    });
    return { name, url, child };
  }

  #spawn(args: string[]): Child {
    const child = new Child(args);
    this.#children.push(child);
    return child;
  }

  /** A copy of the policy with the addresses that the servers really have. */
  #policyFor(servers: readonly RunningServer[]): string {
    const doc = parseDocument(readFileSync(this.#options.policyFile, 'utf8'));
    for (const { name, url } of servers) doc.setIn(['fleet', name, 'url'], url);
    const file = join(this.#ownFolder(), 'policy.yaml');
    writeFileSync(file, doc.toString());
    return file;
  }

  #ownFolder(): string {
    this.#folder ??= mkdtempSync(join(tmpdir(), 'sluice-'));
    return this.#folder;
  }
}

/** Names the line of the policy: "--port" would be the gateway's. */
async function refuseTaken(name: string, origin: string): Promise<void> {
  const port = Number(new URL(origin).port || 80);
  const probe = createServer();
  const isTaken = await new Promise<boolean>((resolve) => {
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'EADDRINUSE'));
    probe.listen(port, hostOf(origin), () => probe.close(() => resolve(false)));
  });
  if (isTaken)
    throw new UserError(
      `${new URL(origin).host} is in use by another process; stop it, or change fleet.${name}.url in the policy`,
    );
}

async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  while (performance.now() < deadline) {
    const ready = await fetch(`${url}/v2/health/ready`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return;
    await sleep(50);
  }
  throw new UserError(`the model server at ${url} did not become ready within ${READY_WITHIN_MS / 1000} s`);
}

function hostOf(origin: string): string {
  return new URL(origin).hostname.replace(/^\[|\]$/g, '');
}
