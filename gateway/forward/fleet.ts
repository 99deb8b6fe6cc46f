import { isDeepStrictEqual } from 'node:util';
import { Pool } from 'undici';
import type { ServerSpec } from '../policy/policy.ts';
import { afterFailure, HEALTHY, type Health, type Standing, standing } from './health.ts';
import { safeLookup } from './resolve.ts';

/** One model server as this gateway sees it: its connections, what is in flight there, and its health. */
export class Server {
  readonly spec: ServerSpec;
  readonly name: string;
  readonly maxInFlight: number;
  readonly pool: Pool;
  inFlight = 0;
  health: Health = HEALTHY;

  constructor(spec: ServerSpec) {
    this.spec = spec;
    this.name = spec.name;
    this.maxInFlight = spec.maxInFlight;
    this.pool = new Pool(spec.origin, {
      // As many connections as requests may be in flight: undici's own queue is unbounded, and so is never used.
      connections: spec.maxInFlight,
      pipelining: 1,
      connect: { timeout: 1000, lookup: safeLookup },
      // The deadline is total and counted by us; undici's timers would only add to the cost of a request.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  succeeded(): void {
    if (this.health !== HEALTHY) this.health = HEALTHY;
  }

  failed(now: number): void {
    this.health = afterFailure(this.health, now);
  }
}

/** What people, probes and metrics see of a server. */
export type ServerReading = {
  readonly name: string;
  readonly origin: string;
  readonly class: 'cpu' | 'gpu';
  readonly standing: Standing;
  readonly failuresInARow: number;
  readonly inFlight: number;
  readonly maxInFlight: number;
};

/** The servers of the policy in force, by name, each with its own pool. */
export class Fleet {
  #servers: ReadonlyMap<string, Server>;
  #byNames = new WeakMap<readonly string[], readonly Server[]>();

  constructor(specs: Iterable<ServerSpec>) {
    this.#servers = new Map([...specs].map((spec) => [spec.name, new Server(spec)]));
  }

  /** Takes over another policy's servers. One that has not changed keeps its connections, its load and its health. */
  update(specs: Iterable<ServerSpec>): void {
    const before = this.#servers;
    const kept = (spec: ServerSpec) => {
      const server = before.get(spec.name);
      return isDeepStrictEqual(server?.spec, spec) ? server : undefined;
    };
    this.#servers = new Map([...specs].map((spec) => [spec.name, kept(spec) ?? new Server(spec)]));
    this.#byNames = new WeakMap();
    const staying = new Set(this.#servers.values());
    // A pool that is closed answers what is in flight first.
    for (const server of before.values()) if (!staying.has(server)) void server.pool.close();
  }

  /** The servers of these names; a policy's lists do not change, so each is looked up once. */
  of(names: readonly string[]): readonly Server[] {
    const known = this.#byNames.get(names);
    if (known !== undefined) return known;
    const servers = names.flatMap((name) => this.#servers.get(name) ?? []);
    this.#byNames.set(names, servers);
    return servers;
  }

  /** Every server as it stands at `now`. */
  readings(now: number): ServerReading[] {
    return [...this.#servers.values()].map(({ spec, health, inFlight }) => ({
      ...spec,
      standing: standing(health, now),
      failuresInARow: health.failures,
      inFlight,
    }));
  }

  /** Ends every connection once its request is answered. */
  async close(): Promise<void> {
    await Promise.all([...this.#servers.values()].map(({ pool }) => pool.close()));
  }
}
