// Clients of ioredis that fail fast: nothing queues in them while Redis is away.
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisAddress } from './address.ts';
import { connectorThat, identityOf } from './connector.ts';
import type { Role } from './purposes.ts';

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

type ClientOptions = RedisOptions & { readonly replyMapping: 'legacy' };

const OF_ROLE: Readonly<Record<Role, Omit<RedisOptions, 'replyMapping'>>> = {
  write: { commandTimeout: COMMAND_TIMEOUT_MS },
  control: { commandTimeout: READ_TIMEOUT_MS },
  blocking: { socketTimeout: BLOCKING_SOCKET_TIMEOUT_MS },
  hints: { commandTimeout: COMMAND_TIMEOUT_MS, autoResubscribe: false },
};

/** Milliseconds before the nth try to connect again: doubling, and spread, so that a hundred gateways do not come at once. */
export function reconnectPause(tries: number, random: number): number {
  return Math.min(50 * 2 ** Math.min(tries, 10), LONGEST_PAUSE_MS) + Math.floor(random * JITTER_MS);
}

/** Opens one client. `onError` hears why a connection could not be made, or was lost. */
export function openClient(address: RedisAddress, role: Role, onError: (error: Error) => void): Client {
  const options: ClientOptions = { ...optionsOf(address), connectionName: `sluice-${role}`, ...OF_ROLE[role] };
  const pause = (tries: number) => reconnectPause(tries, Math.random());
  const client = clientOf(address, options, pause, onError);
  client.on('error', onError);
  client.on('node error', onError); // of a Cluster
  return client;
}

function clientOf(
  { nodes, kind, master, sentinel }: RedisAddress,
  options: ClientOptions,
  pause: (tries: number) => number,
  onError: (error: Error) => void,
): Client {
  if (kind === 'sentinel')
    return new Redis({
      ...options,
      ...sentinel,
      name: master,
      sentinels: nodes.map((node) => ({ ...node })),
      sentinelRetryStrategy: pause,
      sentinelCommandTimeout: CONNECT_TIMEOUT_MS,
      enableOfflineQueue: false,
      retryStrategy: pause,
    });
  const Connector = connectorThat(onError);
  if (kind === 'server') {
    const [first = { host: '127.0.0.1', port: 6379 }] = nodes;
    return new Redis({ ...options, ...first, Connector, enableOfflineQueue: false, retryStrategy: pause });
  }
  return new Cluster([...nodes], {
    redisOptions: { ...options, Connector },
    enableOfflineQueue: false,
    clusterRetryStrategy: pause,
    maxRedirections: 2,
    // A certificate is for a name: names are dialled as they are, and not by their addresses.
    ...(options.tls !== undefined && { dnsLookup: (name, done) => done(null, name) }),
  });
}

function optionsOf({ nodes, options: { tls, ...options } }: RedisAddress): ClientOptions {
  const identity = { checkServerIdentity: identityOf(nodes.map(({ host }) => host)) };
  return {
    ...options,
    ...(tls !== undefined && { tls: { ...tls, ...identity } }),
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    reconnectOnError: ({ message }: Error) => message.startsWith('READONLY'), // a demoted master: ask who is it now
    protocol: 2 as const,
    replyMapping: 'legacy' as const,
    disableClientInfo: true, // a right more that a user would need
  };
}
