// Four connections to Redis, each failing fast: nothing queues in a client while Redis is away, and a blocking read or a
// large page never holds up a write.
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from './address.ts';

export type Client = Redis | Cluster;

/** A command that took longer has an unknown end. */
const COMMAND_TIMEOUT_MS = 250;
/** Reads of pages are larger, and no one's request waits for them. */
const READ_TIMEOUT_MS = 2000;
/** A connection that stays silent this long with something to answer is cut. */
const SOCKET_TIMEOUT_MS = 2000;
/** A blocking read is answered every two seconds, with nothing if there is nothing. */
const BLOCKING_SOCKET_TIMEOUT_MS = 6000;
const CONNECT_TIMEOUT_MS = 2000;
const LONGEST_PAUSE_MS = 5000;
const JITTER_MS = 250;

/** Milliseconds before the nth try to connect again: doubling, and spread, so that a hundred gateways do not come at once. */
export function reconnectPause(tries: number, random: number): number {
  return Math.min(50 * 2 ** Math.min(tries, 10), LONGEST_PAUSE_MS) + Math.floor(random * JITTER_MS);
}

/** The connections of one gateway. */
export class Connections {
  readonly write: Client;
  readonly control: Client;
  /** For XREAD BLOCK alone. */
  readonly blocking: Client;
  /** For one subscription alone. */
  readonly hints: Client;
  readonly #onReady: (() => void)[] = [];
  #reason: string | undefined = 'not connected yet';

  constructor(address: RedisAddress) {
    this.write = this.#connect(address, 'write', { commandTimeout: COMMAND_TIMEOUT_MS });
    this.control = this.#connect(address, 'control', { commandTimeout: READ_TIMEOUT_MS });
    this.blocking = this.#connect(address, 'blocking', { socketTimeout: BLOCKING_SOCKET_TIMEOUT_MS });
    this.hints = this.#connect(address, 'hints', { commandTimeout: COMMAND_TIMEOUT_MS, autoResubscribe: false });
    this.write.on('ready', () => {
      this.#reason = undefined;
      for (const listener of this.#onReady) listener();
    });
    this.write.on('error', (error) => this.#note(error));
    this.write.on('close', () => {
      this.#reason ??= 'the connection was lost';
    });
  }

  /** Why Redis cannot be used; undefined while it can. */
  reason(): string | undefined {
    return this.#reason;
  }

  /** Every time the connection for writing is there, the first and each later one. */
  onReady(listener: () => void): void {
    this.#onReady.push(listener);
    if (this.write.status === 'ready') listener();
  }

  /** Resolves when all of them are there. */
  async allReady(): Promise<void> {
    const clients = [this.write, this.control, this.blocking].filter(({ status }) => status !== 'ready');
    await Promise.all(clients.map((client) => new Promise<void>((resolve) => client.once('ready', () => resolve()))));
  }

  close(): void {
    for (const client of [this.write, this.control, this.blocking, this.hints]) client.disconnect();
  }

  #note(error: Error): void {
    const { code, message, lastNodeError } = error as Error & { code?: string; lastNodeError?: Error };
    this.#reason = reasonOf(lastNodeError?.message ?? (message || code) ?? 'unknown error');
  }

  #connect({ nodes, isCluster, options }: RedisAddress, purpose: string, own: RedisOptions): Client {
    const shared = {
      ...options,
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SOCKET_TIMEOUT_MS,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      reconnectOnError: (error: Error) => error.message.startsWith('READONLY'), // a demoted master: ask who is it now
      connectionName: `sluice-${purpose}`,
      protocol: 2 as const,
      ...own,
      replyMapping: 'legacy' as const,
    };
    const pause = (tries: number) => reconnectPause(tries, Math.random());
    const [first = { host: '127.0.0.1', port: 6379 }] = nodes;
    const client = isCluster
      ? new Cluster([...nodes], {
          redisOptions: shared,
          enableOfflineQueue: false,
          clusterRetryStrategy: pause,
          maxRedirections: 2,
        })
      : new Redis({ ...shared, ...first, enableOfflineQueue: false, retryStrategy: pause });
    client.on('error', () => {}); // without a listener an error would end the process; `write` has the one that speaks
    return client;
  }
}

/** What is wrong, in words for an operator. The message of Redis never holds the password. */
export function reasonOf(message: string): string {
  if (/NOAUTH|WRONGPASS|NOPERM|invalid password|without any password/i.test(message))
    return `Redis refuses these credentials (${message}); check the user and password in REDIS_URL`;
  if (message.startsWith("Stream isn't writeable")) return 'Redis is not connected';
  if (message.startsWith('OOM')) return 'Redis is full: raise its maxmemory, or let Sluice keep less';
  if (message.startsWith('MISCONF')) return `Redis cannot write to its disk (${message})`;
  return message;
}
