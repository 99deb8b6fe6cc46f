// Four connections to Redis, and the one way to use them: whatever is asked goes by a purpose, so that nothing fails unreported.
import { Cluster, type Redis } from 'ioredis';
import { StoreUnavailable } from '../../errors.ts';
import type { RedisAddress } from './address.ts';
import { type Client, openClient } from './clients.ts';
import { Operations, type OperationsOptions } from './operations.ts';
import { PURPOSES, type Purpose, type Role } from './purposes.ts';
import { reasonOf } from './refusal.ts';

export type { Client };

const ROLES = ['write', 'control', 'blocking', 'hints'] as const satisfies readonly Role[];

/** The connections of one gateway. */
export class Connections {
  readonly operations: Operations;
  #address: RedisAddress;
  #clients: Readonly<Record<Role, Client>>;
  readonly #onReady = new Map<Role, (() => void)[]>(ROLES.map((role) => [role, []]));
  readonly #onHint: ((text: string) => void)[] = [];
  /** Why the connection for writing was lost, or could not be made. */
  #cause: string | undefined = NOT_YET;
  /** Those that have said whether they are in a Cluster. */
  readonly #found = new WeakSet<Client>();
  #isClosed = false;

  constructor(address: RedisAddress, options: OperationsOptions) {
    this.operations = new Operations(options);
    this.#address = address;
    this.#clients = this.#open();
  }

  /** Asks Redis for something. Rejects with StoreUnavailable, whatever went wrong, which is reported by then. */
  async use<T>(purpose: Purpose, work: (client: Client) => Promise<T>): Promise<T> {
    const client = this.#clients[PURPOSES[purpose].on];
    try {
      // Until it is known that the database is there, Redis would answer from number 0, which may be another's.
      if (this.#isElsewhere && !this.#found.has(client)) throw new Error("Stream isn't writeable");
      const result = await work(client);
      this.operations.succeeded(purpose);
      return result;
    } catch (error) {
      if (this.#isClosed) throw new StoreUnavailable('the store is closed', { cause: error });
      throw this.#unavailable(purpose, error as Error);
    }
  }

  /** Why Redis cannot be used; undefined while it can. */
  reason(): string | undefined {
    return this.#cause === undefined ? undefined : reasonOf(this.#cause);
  }

  /** Every time a connection is there, the first and each later one. */
  onReady(role: Role, listener: () => void): void {
    this.#onReady.get(role)?.push(listener);
    if (this.#isReady(role)) listener();
  }

  /** Hears what is published to the channel that the connection for hints is subscribed to. */
  onHint(listener: (text: string) => void): void {
    this.#onHint.push(listener);
  }

  /** Resolves when all are there that a start needs. */
  async allReady(): Promise<void> {
    const needed = ['write', 'control', 'blocking'] as const;
    await Promise.all(needed.map((role) => new Promise<void>((resolve) => this.onReady(role, resolve))));
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    this.#disconnect();
  }

  #unavailable(purpose: Purpose, error: Error): StoreUnavailable {
    const { message } = rootOf(error);
    if (message.startsWith('MOVED')) this.#becomeCluster();
    const reason = this.operations.failed(purpose, VAGUE.test(message) ? (this.#cause ?? message) : message);
    const what = purpose.endsWith('_write') ? 'written' : 'read';
    return new StoreUnavailable(`the store cannot be ${what} now: ${reason}`, { cause: error });
  }

  #open(): Readonly<Record<Role, Client>> {
    const [write, control, blocking, hints] = ROLES.map((role) => this.#openOne(role)) as [
      Client,
      Client,
      Client,
      Client,
    ];
    hints.on('message', (_channel: string, text: string) => {
      if (text !== '') for (const listener of this.#onHint) listener(text);
    });
    return { write, control, blocking, hints };
  }

  #openOne(role: Role): Client {
    const client = openClient(this.#address, role, (error) => {
      // A Cluster that is there may miss a node.
      const isThere = client instanceof Cluster && client.status === 'ready';
      if (role === 'write' && this.#clients?.write === client && !isThere) this.#note(error);
    });
    client.on('ready', () => void this.#arrived(role, client));
    client.on('close', () => {
      this.#found.delete(client);
      if (role !== 'write' || this.#clients.write !== client) return;
      if (this.#cause === NOT_YET) this.#cause = AT_ONCE;
      this.#cause ??= 'the connection was lost';
    });
    return client;
  }

  async #arrived(role: Role, client: Client): Promise<void> {
    if (this.#address.kind === 'server' && (await isOfCluster(client))) return this.#becomeCluster();
    if (this.#clients[role] !== client || client.status !== 'ready') return;
    if (this.#isElsewhere && !(await this.#hasDatabase(role, client))) return client.disconnect(true);
    if (this.#clients[role] !== client || client.status !== 'ready') return;
    this.#found.add(client);
    if (role === 'write') this.#cause = undefined;
    this.operations.connected(role);
    for (const listener of this.#onReady.get(role) ?? []) listener();
  }

  /** Whether the connection is for another database than the one that every connection begins with. */
  get #isElsewhere(): boolean {
    return this.#address.kind !== 'cluster' && (this.#address.options.db ?? 0) !== 0;
  }

  /** Whether it is at the database of the address: ioredis goes on in number 0 where that is refused, and says nothing. */
  async #hasDatabase(role: Role, client: Client): Promise<boolean> {
    const { db = 0 } = this.#address.options;
    try {
      await (client as Redis).select(db);
      return true;
    } catch (error) {
      if (role === 'write')
        this.#cause = `Redis does not give database ${db} (${(error as Error).message}); check the /${db} in REDIS_URL`;
      return false;
    }
  }

  /** One address is enough to find a Cluster: its nodes know each other. */
  #becomeCluster(): void {
    if (this.#isClosed || this.#address.kind !== 'server') return;
    const { db = 0, ...options } = this.#address.options;
    if (db !== 0) {
      this.#cause = `Redis is a Cluster, which has only database 0: leave the /${db} out of REDIS_URL`;
      return;
    }
    this.#disconnect();
    this.#address = { ...this.#address, kind: 'cluster', options };
    this.#clients = this.#open();
  }

  #isReady(role: Role): boolean {
    const client = this.#clients[role];
    return this.#found.has(client) && client.status === 'ready';
  }

  #disconnect(): void {
    for (const client of Object.values(this.#clients)) client.disconnect();
  }

  /** Of all errors about one loss, one that says why is kept. */
  #note(error: Error): void {
    const { message, name } = rootOf(error);
    if (!VAGUE.test(message) || this.#cause === undefined || this.#cause === NOT_YET) this.#cause = message || name;
  }
}

const NOT_YET = 'Redis is not connected yet';
const AT_ONCE =
  'Redis closed the connection before it said anything; if it speaks TLS, REDIS_URL begins with rediss://';
/** What a client says that cannot be used, without why. */
const VAGUE =
  /^(Stream isn't writeable|Connection is closed|None of startup nodes is available|Failed to refresh slots cache|Cluster is|Cluster isn't)/;

/** The error beneath: a Cluster says that all nodes failed, and carries the error of the last one. */
function rootOf(error: Error): Error {
  const { lastNodeError, code, message } = error as Error & { code?: string; lastNodeError?: Error };
  if (lastNodeError instanceof Error) return rootOf(lastNodeError);
  return message === '' && code !== undefined ? new Error(code) : error;
}

/** A user without the right to INFO may find out later, by what the node answers. */
async function isOfCluster(client: Client): Promise<boolean> {
  return client.info('cluster').then(
    (text) => /^cluster_enabled:1/m.test(text),
    () => false,
  );
}
