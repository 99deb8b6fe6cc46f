// Turns requests away before the event loop suffers: when it lags, fewer are let in, and more again when it does not.
// The limit follows additive increase and multiplicative decrease, as TCP's does (RFC 5681).
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

/** A request queued behind so much work of others waits noticeably; once may be a collection of garbage. */
const LAG_MS = 50;
const TICKS_IN_A_ROW = 3;
const TICK_MS = 100;
const RESOLUTION_MS = 10;
/** So few requests keep the loop busy for milliseconds: if it lags none the less, they are not the cause. */
const LEAST = 128;
/** Work that can wait may use this share of what is let in. */
const BATCH_SHARE = 0.5;

export type Priority = 'live' | 'batch';

/** How many requests may be in the gateway at a time, by the lag of its event loop. */
export class Overload {
  readonly #lag: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  readonly #timer: NodeJS.Timeout;
  #limit = Number.POSITIVE_INFINITY;
  #inside = 0;
  #lateTicks = 0;

  constructor() {
    this.#lag.enable();
    this.#timer = setInterval(() => {
      const lagMs = this.#lag.mean / 1e6 - RESOLUTION_MS;
      this.#lag.reset();
      this.#lateTicks = lagMs > LAG_MS ? this.#lateTicks + 1 : 0;
      this.#limit = nextLimit(this.#limit, this.#inside, this.#lateTicks);
    }, TICK_MS).unref();
  }

  get limit(): number {
    return this.#limit;
  }

  /** Whether one more may be let in. */
  hasRoom(priority: Priority): boolean {
    return this.#inside < this.#limit * (priority === 'batch' ? BATCH_SHARE : 1);
  }

  /** Counts one for which there was room a moment ago; it must leave. */
  add(): void {
    this.#inside++;
  }

  leave(): void {
    this.#inside--;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#lag.disable();
  }
}

/** The limit after a tick with this many requests inside, the last of so many in a row in which the event loop lagged. */
export function nextLimit(limit: number, inside: number, lateTicks: number): number {
  if (lateTicks >= TICKS_IN_A_ROW) return Math.max(LEAST, Math.floor(Math.min(limit, inside) * 0.7));
  if (lateTicks > 0 || limit === Number.POSITIVE_INFINITY) return limit;
  const next = limit + Math.max(1, Math.ceil(limit * 0.05));
  return next > 100_000 ? Number.POSITIVE_INFINITY : next;
}
