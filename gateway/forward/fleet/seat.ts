import { type Ewma, observe, UNKNOWN, valueAt } from './ewma.ts';
import type { Server } from './server.ts';

/** What a seat without any answer yet counts as once something is on its way to it, in milliseconds. */
const PENALTY_MS = 60_000;

/** Answers of a version after which a server has filled its caches, compiled its kernels and grown its pools. */
export const WARM_AFTER = 20;

/** One version at one server: how fast it answers there, and whether it is loaded and warm. */
export class Seat {
  readonly server: Server;
  /** Whether the server last said that it has this version ready; true until it says otherwise. */
  isReady = true;
  /** What it answered when it said that it has not: the status and its error. */
  refusal: string | undefined;
  /** Why the server gave no answer when it was last asked whether it has this version ready; undefined when it gave one. */
  silence: string | undefined;
  /** When that was last asked or learnt. */
  readyAt = Number.NEGATIVE_INFINITY;
  #latency: Ewma = UNKNOWN;
  #answered = 0;
  /** How often the server had been ejected when the first of them was counted. */
  #timesOut = 0;

  constructor(server: Server) {
    this.server = server;
  }

  /** A request took so long here, or failed and counts as if it had. */
  took(latencyMs: number, now: number): void {
    this.#latency = observe(this.#latency, latencyMs, now);
  }

  /**
   * Requests that the model here has run for, well or not, since the server was last away: ejected, not ready or without a
   * connection. It may have been restarted then.
   */
  get answered(): number {
    return this.#timesOut === this.server.health.timesOut ? this.#answered : 0;
  }

  get isWarm(): boolean {
    return this.answered >= WARM_AFTER;
  }

  /** The model has run here for one more request. */
  ran(): void {
    this.#answered = this.answered + 1;
    this.#timesOut = this.server.health.timesOut;
  }

  /** What was in the server's memory may be gone. */
  cooled(): void {
    this.#answered = 0;
  }

  noteReady(isReady: boolean, now: number, refusal?: string): void {
    if (!isReady) this.cooled();
    this.isReady = isReady;
    this.refusal = isReady ? undefined : (refusal ?? this.refusal);
    this.readyAt = now;
  }

  /**
   * What one more request here would wait, in milliseconds over the server's weight: the expected latency times what is
   * ahead of it. A server that is new or back counts as smaller than it is.
   */
  cost(now: number): number {
    const { inFlight, spec, health } = this.server;
    const latency = this.#latency === UNKNOWN ? (inFlight === 0 ? 0 : PENALTY_MS) : valueAt(this.#latency, now);
    return (latency * (inFlight + 1)) / (spec.weight * health.ramp(now));
  }

  hasRoom(): boolean {
    return this.server.inFlight < this.server.spec.maxInFlight;
  }

  /** Whether requests may be sent here as to any other. */
  isWell(now: number): boolean {
    return this.isReady && this.server.health.standing(now) === 'healthy';
  }

  /** Whether the next request shows if the server is back: one at a time. */
  isDueForProbe(now: number): boolean {
    return this.server.inFlight === 0 && this.server.health.standing(now) === 'probing';
  }
}
