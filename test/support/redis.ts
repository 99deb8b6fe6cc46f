// A real redis-server of a test's own: on loopback, a free port, in a folder that goes with it.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Redis, type RedisOptions } from 'ioredis';
import type { Certificate } from './certificates.ts';
import { freePorts } from './free-ports.ts';
import { undo } from './undo.ts';
import { until } from './until.ts';

export type RedisServer = {
  readonly port: number;
  readonly url: string;
  readonly folder: string;
  readonly signal: (signal: 'SIGSTOP' | 'SIGCONT') => void;
  /** Kills it and waits until it is gone. */
  readonly kill: () => Promise<void>;
  /** Starts it again after a kill, on the same port and in the same folder. */
  readonly start: (more?: readonly string[]) => Promise<void>;
  /** A client that waits for its answers, for looking at what is there. */
  readonly client: () => Redis;
};

export type RedisServerOptions = {
  /** Further arguments; `{port}` stands for the port. */
  readonly args?: readonly string[];
  /** How a client must connect. */
  readonly client?: Pick<RedisOptions, 'password' | 'tls' | 'username'>;
  readonly folder?: string;
  readonly scheme?: 'redis' | 'rediss';
  readonly credentials?: string;
};

/** Arguments and client of a server that speaks TLS alone, with a certificate of this authority. */
export function overTls(ca: string, { cert, key }: Certificate): RedisServerOptions {
  const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', ca];
  const everywhere = ['--tls-cluster', 'yes', '--tls-replication', 'yes', '--tls-auth-clients', 'no'];
  return {
    args: ['--tls-port', '{port}', '--port', '0', ...files, ...everywhere],
    client: { tls: { ca: readFileSync(ca), checkServerIdentity: () => undefined } },
    scheme: 'rediss',
  };
}

/** Starts a redis-server and waits until it answers; it ends with the test. */
export async function redisServer(t: TestContext, options: RedisServerOptions = {}): Promise<RedisServer> {
  const { args = [], client = {}, scheme = 'redis', credentials = '' } = options;
  const [port = 0] = await freePorts(1);
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'sluice-redis-'));
  let child: ChildProcess | undefined;
  const clients: Redis[] = [];
  const newClient = () => {
    const made = new Redis({ ...DEFAULTS, port, ...client });
    made.on('error', () => {});
    clients.push(made);
    return made;
  };
  const start = async (more: readonly string[] = []) => {
    const own = [...args, ...more].map((arg) => arg.replace('{port}', String(port)));
    child = spawn('redis-server', [...BASE, '--port', String(port), '--dir', folder, ...own], { stdio: 'ignore' });
    const probe = newClient();
    await until(() => probe.ping().then(() => true), 'an answer of redis-server');
    probe.disconnect();
  };
  const kill = async () => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child?.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };
  undo(t, async () => {
    for (const made of clients) made.disconnect();
    await kill();
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  });
  await start();
  return {
    port,
    url: `${scheme}://${credentials}127.0.0.1:${port}`,
    folder,
    signal: (signal) => child?.kill(signal),
    kill,
    start,
    client: newClient,
  };
}

const DEFAULTS = { host: '127.0.0.1', protocol: 2, maxRetriesPerRequest: null, replyMapping: 'legacy' } as const;
const BASE = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--daemonize', 'no'];
