import type { LookupFunction } from 'node:net';
import { Pool } from 'undici';
import type { ServerSpec } from '../policy/policy.ts';
import { dial } from './dial.ts';
import { Health, type Standing } from './health.ts';
import { type Address, pinnedLookup } from './resolve.ts';

/** Connections beyond the in-flight cap, so that readiness probes never wait for a place among requests. */
const PROBE_CONNECTIONS = 2;
const CONNECT_WITHIN_MS = 1000;

/** A server that so often breaks off before its first byte closes idle connections sooner than we stop using them. */
const BREAKS = 3;
const BREAKS_WITHIN_MS = 10_000;
/** How long each request then gets a connection of its own. */
const NO_REUSE_MS = 60_000;

/** One model-server process as this gateway sees it: its connections, what is in flight there, and its health. */
export class Server {
  readonly spec: ServerSpec;
  /** Of the name in the policy, when that leads to several; undefined while the name is not looked up yet. */
  readonly address: Address | undefined;
  readonly health: Health;
  inFlight = 0;
  #pool: Pool;
  #noReuseUntil = 0;
  #breaks: readonly number[] = [];

  constructor(spec: ServerSpec, address: Address | undefined, now: number) {
    this.spec = spec;
    this.address = address;
    this.health = new Health(now);
    this.#pool = this.#newPool(true);
  }

  get pool(): Pool {
    return this.#pool;
  }

  /** A connection broke before the first byte of an answer: perhaps it had been idle, and the server was closing it. */
  brokeOff(now: number): void {
    this.#breaks = [...this.#breaks.filter((at) => now - at < BREAKS_WITHIN_MS), now];
    if (this.#breaks.length < BREAKS) return;
    this.#breaks = [];
    if (this.#noReuseUntil === 0) this.#swapPool(false);
    this.#noReuseUntil = now + NO_REUSE_MS;
  }

  /** The server answered: time to trust it with idle connections again, if that was long enough ago. */
  answered(now: number): void {
    if (this.#noReuseUntil === 0 || now < this.#noReuseUntil) return;
    this.#noReuseUntil = 0;
    this.#swapPool(true);
  }

  /** Ends every connection once its request is answered. */
  close(): Promise<void> {
    return this.#pool.close();
  }

  /** Ends every connection now. */
  destroy(): Promise<void> {
    return this.#pool.destroy();
  }

  #swapPool(isReusing: boolean): void {
    void this.#pool.close();
    this.#pool = this.#newPool(isReusing);
  }

  #newPool(isReusing: boolean): Pool {
    return poolOf(this.spec, this.address && pinnedLookup(this.address), isReusing);
  }

  get name(): string {
    return this.spec.name;
  }

  /** The server as it stands at `now`. */
  reading(now: number): ServerReading {
    const { name, origin, kind, class: serverClass, weight, maxInFlight } = this.spec;
    return {
      name,
      origin,
      address: this.address?.address,
      kind,
      class: serverClass,
      weight,
      maxInFlight,
      standing: this.health.standing(now),
      failuresInARow: this.health.failuresInARow,
      inFlight: this.inFlight,
    };
  }
}

/** What people, probes and metrics see of a server. */
export type ServerReading = {
  readonly name: string;
  readonly origin: string;
  readonly address: string | undefined;
  readonly kind: ServerSpec['kind'];
  readonly class: ServerSpec['class'];
  readonly weight: number;
  readonly maxInFlight: number;
  readonly standing: Standing;
  readonly failuresInARow: number;
  readonly inFlight: number;
};

function poolOf(
  { origin, maxInFlight, tls }: ServerSpec,
  lookup: LookupFunction | undefined,
  isReusing: boolean,
): Pool {
  return new Pool(origin, {
    // As many connections as requests may be in flight: undici's own queue is unbounded, and so is never used.
    connections: maxInFlight + PROBE_CONNECTIONS,
    pipelining: isReusing ? 1 : 0, // 0 closes a connection after its request
    connect: dial({
      timeout: CONNECT_WITHIN_MS,
      ...(lookup && { lookup }),
      ...(tls?.ca && { ca: tls.ca }),
      ...(tls?.cert && { cert: tls.cert }),
      ...(tls?.key && { key: tls.key }),
      ...(tls?.serverName && { servername: tls.serverName }),
    }),
    // The deadline is total and counted by us; undici's timers would only add to the cost of a request.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}
