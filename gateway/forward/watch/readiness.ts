// Asks the servers which versions they have ready: per version, for a server that is up may still be loading one.
import { pathOf } from '../../policy/paths.ts';
import type { Policy, Version } from '../../policy/policy.ts';
import { speaks } from '../dialect.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Placement } from '../fleet/placement.ts';
import type { Seat } from '../fleet/seat.ts';
import { look, MOST_CHARACTERS, type Seen } from './look.ts';

const TICK_MS = 250;
/** Every seat is asked once in so long; with very many the round takes longer. */
const ROUND_MS = 5000;
/** A seat that was not ready is asked again sooner. */
const AGAIN_MS = 1000;
const MOST_A_TICK = 25;

/** Probes each version at each of its servers, a few at a time. Stops with `close`. */
export class ReadinessProbes {
  readonly #fleet: Fleet;
  readonly #gateway: string;
  readonly #timer: NodeJS.Timeout;
  #policy: Policy;
  /** Those of this round that were not asked yet. */
  #due: Iterator<Version, void> | undefined;
  #nextRound = 0;
  readonly #notReady = new Set<readonly [Placement, Seat]>();

  /** `gateway` is the name of this gateway in `Via`: one behind it whose policy leads back here refuses the look. */
  constructor(fleet: Fleet, policy: Policy, gateway: string) {
    this.#fleet = fleet;
    this.#gateway = gateway;
    this.#policy = policy;
    this.#timer = setInterval(() => this.#tick(performance.now()), TICK_MS).unref();
  }

  update(policy: Policy): void {
    this.#policy = policy;
    this.#due = undefined;
    this.#notReady.clear();
    this.#nextRound = 0;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(now: number): void {
    if (this.#due === undefined && now >= this.#nextRound) {
      this.#due = probedIn(this.#policy);
      this.#nextRound = now + ROUND_MS;
    }
    let room = MOST_A_TICK;
    for (const entry of this.#notReady) {
      const [placement, seat] = entry;
      if (seat.isReady || !placement.seats.includes(seat)) this.#notReady.delete(entry);
      else if (now - seat.readyAt >= AGAIN_MS && room-- > 0) void this.#probe(placement, seat);
    }
    while (room > 0 && this.#due !== undefined) {
      const { value: version } = this.#due.next();
      if (version === undefined) {
        this.#due = undefined;
        break;
      }
      const placement = this.#fleet.placementOf(version);
      for (const seat of placement.seats) void this.#probe(placement, seat);
      room -= placement.seats.length;
    }
  }

  async #probe(placement: Placement, seat: Seat): Promise<void> {
    const { version } = placement;
    // Where a server has no v2 its v1 tells, whatever callers of the version are to speak.
    const hasV2 = speaks(seat.server.spec.kind, 'infer');
    const ready = pathOf(hasV2 || version.protocol === 'http' ? version : { ...version, protocol: 'v1' }, 'ready');
    if (ready === undefined) return;
    seat.readyAt = performance.now(); // or a slow answer would be asked for again and again
    const seen = await look(seat.server, ready, { via: `1.1 ${this.#gateway}` });
    seat.silence = 'silence' in seen ? seen.silence : undefined;
    if ('silence' in seen) return; // whether it answers at all is a matter of its health
    const said = readinessIn(seen);
    if (said === undefined) return;
    seat.noteReady(said, performance.now(), said ? undefined : wordsOf(seen));
    if (!said) this.#notReady.add([placement, seat]);
  }
}

/** Every version whose readiness can be asked for, found one by one: there may be very many. */
function* probedIn({ models }: Policy): Generator<Version, void> {
  for (const model of models.values())
    if (model.kind === 'served')
      for (const version of model.versions.values()) if (version.protocol !== 'http') yield version;
}

/**
 * Whether a server says that a version is ready; undefined when it does not say. Dialects: 200 or 503 with `{"ready"}`
 * (KServe, ours), 200 or 400 with an empty body (Triton, MLServer), 404 when it has no such version, `model_version_status`
 * (TensorFlow Serving). 508 is the answer of a gateway whose policy leads back: our looks have no caller who could claim it.
 */
export function readinessIn({ status, json }: Seen): boolean | undefined {
  if (status === 400 || status === 404 || status === 503 || status === 508) return false;
  if (status !== 200) return undefined;
  const { ready, model_version_status: states } = (json ?? {}) as { ready?: unknown; model_version_status?: unknown };
  if (Array.isArray(states)) return states.some((each: { state?: unknown }) => each?.state === 'AVAILABLE');
  return ready !== false;
}

/** What a server says of a version that is not ready: the status, and its error where it has one. */
function wordsOf({ status, json }: Seen): string {
  const { error } = (json ?? {}) as { error?: unknown };
  return typeof error === 'string' && error !== '' ? `${status}: ${error.slice(0, MOST_CHARACTERS)}` : String(status);
}
