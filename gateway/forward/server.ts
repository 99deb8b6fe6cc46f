import type { LookupFunction } from 'node:net';
import { Pool } from 'undici';
import type { ServerSpec } from '../policy/policy.ts';
import { Health, type Standing } from './health.ts';
import { type Address, pinnedLookup, safeLookup } from './resolve.ts';

/** Connections beyond the in-flight cap, so that readiness probes never wait for a place among requests. */
const PROBE_CONNECTIONS = 2;
const CONNECT_WITHIN_MS = 1000;

/** One model-server process as this gateway sees it: its connections, what is in flight there, and its health. */
export class Server {
  readonly spec: ServerSpec;
  /** Of the name in the policy, when that leads to several; undefined while the name is not looked up yet. */
  readonly address: Address | undefined;
  readonly pool: Pool;
  readonly health: Health;
  inFlight = 0;

  constructor(spec: ServerSpec, address: Address | undefined, now: number) {
    this.spec = spec;
    this.address = address;
    this.health = new Health(now);
    this.pool = poolOf(spec, address === undefined ? safeLookup : pinnedLookup(address));
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

function poolOf({ origin, maxInFlight, tls }: ServerSpec, lookup: LookupFunction): Pool {
  return new Pool(origin, {
    // As many connections as requests may be in flight: undici's own queue is unbounded, and so is never used.
    connections: maxInFlight + PROBE_CONNECTIONS,
    pipelining: 1,
    connect: {
      timeout: CONNECT_WITHIN_MS,
      lookup,
      rejectUnauthorized: true,
      ...(tls?.ca && { ca: tls.ca }),
      ...(tls?.cert && { cert: tls.cert }),
      ...(tls?.key && { key: tls.key }),
      ...(tls?.serverName && { servername: tls.serverName }),
    },
    // The deadline is total and counted by us; undici's timers would only add to the cost of a request.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}
