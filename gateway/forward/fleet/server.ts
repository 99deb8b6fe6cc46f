import { type buildConnector, Pool } from 'undici';
import type { ServerSpec } from '../../policy/servers.ts';
import { speaks } from '../dialect.ts';
import { dial } from './dial.ts';
import { Health, type Standing } from './health.ts';
import { type IdleTime, idleTimeOf, keeping, safeMsOf } from './idle-time.ts';
import { type Address, type Place, pinnedLookup, placeText } from './resolve.ts';

/** Connections beyond the in-flight cap, so that readiness probes never wait for a place among requests. */
const PROBE_CONNECTIONS = 2;
const CONNECT_WITHIN_MS = 1000;

/** How often a server's idle time is looked at, and how soon again when it was not found out. */
const AGAIN_MS = 60_000;
const AGAIN_SOON_MS = 5000;
/** A difference for which new connections are worth it. */
const WORTH_MS = 100;

/** A server that so often breaks off before its first byte closes idle connections sooner than we stop using them. */
const BREAKS = 3;
const BREAKS_WITHIN_MS = 10_000;
/** How long each request then gets a connection of its own. */
const NO_REUSE_MS = 60_000;

/** One model-server process as this gateway sees it: its connections, what is in flight there, and its health. */
export class Server {
  readonly spec: ServerSpec;
  /** Where the name in the policy leads: an address, or two with "or" between; undefined while it is not looked up yet. */
  readonly address: string | undefined;
  readonly health: Health;
  inFlight = 0;
  /** The address that was reached last comes first. */
  #place: Place | undefined;
  readonly #connect: buildConnector.connector;
  #pool: Pool;
  #idle: IdleTime;
  #learning: NodeJS.Timeout | undefined;
  #isClosed = false;
  #end: AbortController | undefined;
  #noReuseUntil = 0;
  #breaks: readonly number[] = [];

  constructor(spec: ServerSpec, place: Place | undefined, now: number) {
    this.spec = spec;
    this.#place = place;
    this.address = place && placeText(place);
    this.health = new Health(now);
    this.#connect = this.#newConnector();
    this.#pool = this.#newPool();
    this.#learnIn(0);
  }

  get pool(): Pool {
    return this.#pool;
  }

  /** A connection broke before the first byte of an answer: perhaps it had been idle, and the server was closing it. */
  brokeOff(now: number): void {
    this.#keepFor(undefined);
    if (this.#end === undefined) this.#learnIn(AGAIN_SOON_MS);
    this.#breaks = [...this.#breaks.filter((at) => now - at < BREAKS_WITHIN_MS), now];
    if (this.#breaks.length < BREAKS) return;
    this.#breaks = [];
    const isNews = this.#noReuseUntil === 0;
    this.#noReuseUntil = now + NO_REUSE_MS;
    if (isNews) this.#swapPool();
  }

  /** The server answered: time to trust it with idle connections again, if that was long enough ago. */
  answered(now: number): void {
    if (this.#noReuseUntil === 0 || now < this.#noReuseUntil) return;
    this.#noReuseUntil = 0;
    this.#swapPool();
  }

  /** Ends every connection once its request is answered. */
  close(): Promise<void> {
    this.#stopLearning();
    return this.#pool.close();
  }

  /** Ends every connection now. */
  destroy(): Promise<void> {
    this.#stopLearning();
    return this.#pool.destroy();
  }

  /** Finds out for how long the server keeps idle connections, now and then: it may be another server by then. */
  #learnIn(ms: number): void {
    clearTimeout(this.#learning);
    this.#learning = setTimeout(() => void this.#learn(), ms).unref();
  }

  async #learn(): Promise<void> {
    this.#end = new AbortController();
    const { origin, kind } = this.spec;
    const path = speaks(kind, 'infer') ? '/v2/health/live' : '/v1/models/any';
    const idle = await idleTimeOf({ origin, path }, this.#connect, this.#end.signal);
    this.#end = undefined;
    if (this.#isClosed) return;
    if (idle !== undefined) this.#keepFor(idle);
    this.#learnIn(idle === undefined ? AGAIN_SOON_MS : AGAIN_MS);
  }

  #stopLearning(): void {
    this.#isClosed = true;
    clearTimeout(this.#learning);
    this.#end?.abort();
  }

  #keepFor(idle: IdleTime): void {
    const isSame = Math.abs(safeMsOf(idle) - safeMsOf(this.#idle)) < WORTH_MS;
    if (isSame) return;
    this.#idle = idle;
    if (this.#noReuseUntil === 0) this.#swapPool();
  }

  #swapPool(): void {
    void this.#pool.close();
    this.#pool = this.#newPool();
  }

  #newPool(): Pool {
    const { origin, maxInFlight } = this.spec;
    return new Pool(origin, {
      // As many connections as requests may be in flight: undici's own queue is unbounded, and so is never used.
      connections: maxInFlight + PROBE_CONNECTIONS,
      ...(this.#noReuseUntil === 0 ? keeping(this.#idle) : { pipelining: 0 }),
      connect: this.#connect,
      // The deadline is total and counted by us; undici's timers would only add to the cost of a request.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  #newConnector(): buildConnector.connector {
    const { tls } = this.spec;
    const place = this.#place;
    const connect = dial({
      timeout: CONNECT_WITHIN_MS,
      ...(place && { lookup: pinnedLookup(() => this.#place ?? place) }),
      ...(tls?.ca && { ca: tls.ca }),
      ...(tls?.cert && { cert: tls.cert }),
      ...(tls?.key && { key: tls.key }),
      ...(tls?.serverName && { servername: tls.serverName }),
    });
    if (place === undefined || place.length === 1) return connect;
    return (target, done) =>
      connect(target, (...[error, socket]) => {
        if (error !== null) return done(error, null);
        this.#reachedAt(socket.remoteAddress);
        done(null, socket);
      });
  }

  /** The next connection tries this address first: one that swallows what is sent to it costs a quarter of a second. */
  #reachedAt(address: string | undefined): void {
    const [first, second] = this.#place ?? [];
    if (first !== undefined && second?.address === address) this.#place = [second as Address, first];
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
      address: this.address,
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
