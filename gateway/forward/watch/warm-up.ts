// Copies of real requests for servers that are cold, so that no caller waits while a version fills its caches.
import type { Answer, Call, Facts, OnLeave } from '../../flow.ts';
import { pathOf } from '../../policy/paths.ts';
import type { Version } from '../../policy/policy.ts';
import { speaks } from '../dialect.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Placement } from '../fleet/placement.ts';
import type { Seat } from '../fleet/seat.ts';
import { copyOf, SHADOW_HEADER } from '../mirror/copy.ts';
import { send } from '../send.ts';

/** Copies in flight for one version; for one seat it is one. */
const MOST_AT_ONCE = 4;
/** Copies for one seat, in multiples of the answers that make it warm; one that answers fewer is not made warm by more. */
const MOST_COPIES = 5;
/** A cold server may take its time: nobody waits, and a copy that is cut off would count as a failure of the server. */
const PATIENCE_MS = 30_000;
const MARKS = [SHADOW_HEADER, 'warm-up'];

/** A version to be warmed, and the answers after which a server of it is warm. */
export type Wanted = { readonly version: Version; readonly answers: number };

type Warmed = { readonly placement: Placement; readonly answers: number };

/**
 * Sends copies of answered predictions to the servers of versions that are to have callers soon. The answers are dropped, and
 * count for the servers as those to callers do: for their health, their latency and how warm they are.
 */
export class WarmUp {
  readonly #fleet: Pick<Fleet, 'placementOf'>;
  /** Where the versions run that are to be warmed, by model. */
  #wanted: ReadonlyMap<string, readonly Warmed[]> = new Map();
  /** Seats with a copy in flight, by placement. */
  readonly #busy = new Map<Placement, Set<Seat>>();
  /** Copies that were sent to a seat since it was last warm, or away. */
  readonly #sent = new WeakMap<Seat, number>();
  /** The copies in flight, and how to give each up. */
  readonly #copies = new Map<Promise<void>, AbortController>();

  constructor(fleet: Pick<Fleet, 'placementOf'>) {
    this.#fleet = fleet;
  }

  /** Sets which versions are warmed from now on, of the policy in force; those without warm-up are left out. */
  want(versions: readonly Wanted[]): void {
    if (versions.length === 0 && this.#wanted.size === 0) return;
    const wanted = new Map<string, Warmed[]>();
    for (const { version, answers } of versions) {
      if (!hasWarmUp(version) || answers === 0) continue;
      const warmed = wanted.get(version.model) ?? [];
      warmed.push({ placement: this.#fleet.placementOf(version), answers });
      wanted.set(version.model, warmed);
    }
    this.#wanted = wanted;
  }

  /**
   * Hears of a prediction that `version` has answered, once the caller has the answer, and sends copies of it in a later turn
   * of the event loop: one to each wanted version of the same model that has a cold server free. Neither waits nor throws.
   */
  answered(facts: Facts, version: Version, answer: Pick<Answer, 'class'>): void {
    if (this.#wanted.size === 0 || answer.class !== 'ok') return;
    for (const warmed of this.#wanted.get(version.model) ?? [])
      if (warmed.placement.version.label !== version.label) this.#warm(warmed, facts);
  }

  /**
   * Whether callers of this version would meet no cold server: each one that is well, and there is one, has given its
   * answers or has had its copies. True of versions without warm-up.
   */
  isWarm({ version, answers }: Wanted): boolean {
    if (!hasWarmUp(version) || answers === 0) return true;
    const now = performance.now();
    const well = this.#fleet.placementOf(version).seats.filter((seat) => seat.isWell(now));
    return well.length > 0 && well.every((seat) => !this.#isCold(seat, answers));
  }

  /** Gives up the copies in flight, and waits for their end. */
  async close(): Promise<void> {
    this.#wanted = new Map();
    for (const giveUp of this.#copies.values()) giveUp.abort();
    await Promise.all(this.#copies.keys());
  }

  #isCold(seat: Seat, answers: number): boolean {
    return seat.answered < answers && (this.#sent.get(seat) ?? 0) < MOST_COPIES * answers;
  }

  #warm(warmed: Warmed, facts: Facts): void {
    const { placement } = warmed;
    const { call } = facts;
    if (call !== 'infer' && call !== 'predict') return;
    const path = pathOf(placement.version, call);
    if (path === undefined || !placement.hasRoom()) return;
    const busy = this.#busy.get(placement) ?? new Set();
    const seat = busy.size < MOST_AT_ONCE ? this.#coldIn(warmed, busy, call) : undefined;
    if (seat !== undefined) this.#send(warmed, busy, seat, path, facts);
  }

  #coldIn({ placement, answers }: Warmed, busy: ReadonlySet<Seat>, call: Call): Seat | undefined {
    const now = performance.now();
    const isFree = (seat: Seat) =>
      !busy.has(seat) && this.#isCold(seat, answers) && seat.hasRoom() && speaks(seat.server.spec.kind, call);
    // Without callers nothing else finds out whether a server that was ejected is back.
    const isUp = (seat: Seat) => seat.isWell(now) || (seat.isReady && seat.isDueForProbe(now));
    return placement.seats.find((seat) => isFree(seat) && isUp(seat));
  }

  #send(warmed: Warmed, busy: Set<Seat>, seat: Seat, path: string, facts: Facts): void {
    this.#busy.set(warmed.placement, busy.add(seat));
    this.#sent.set(seat, (this.#sent.get(seat) ?? 0) + 1);
    const giveUp = new AbortController();
    const copy: Promise<void> = sendLater(warmed.placement, seat, path, facts, giveUp.signal).then(() =>
      this.#ended(warmed, busy, seat, copy),
    );
    this.#copies.set(copy, giveUp);
  }

  #ended({ placement, answers }: Warmed, busy: Set<Seat>, seat: Seat, copy: Promise<void>): void {
    this.#copies.delete(copy);
    busy.delete(seat);
    if (busy.size === 0) this.#busy.delete(placement);
    if (seat.answered >= answers || !seat.isWell(performance.now())) this.#sent.delete(seat);
  }
}

/** Whether copies may be sent to a version at all: what is asked of it twice must do no harm, and be held whole. */
function hasWarmUp({ protocol, resending }: Version): boolean {
  return protocol !== 'http' && resending.isIdempotent;
}

/** Sends a copy to one seat, once what the caller waits for has been written. Never rejects. */
async function sendLater(
  placement: Placement,
  seat: Seat,
  path: string,
  facts: Facts,
  signal: AbortSignal,
): Promise<void> {
  await new Promise((go) => setImmediate(go));
  if (signal.aborted) return;
  const timeoutMs = Math.max(PATIENCE_MS, placement.version.timeoutMs);
  const onLeave: OnLeave = (abandon) => signal.addEventListener('abort', abandon);
  await send(placement, path, copyOf(facts), onLeave, { marks: MARKS, seat, timeoutMs });
}
