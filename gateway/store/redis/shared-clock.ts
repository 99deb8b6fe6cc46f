// The clock that all gateways share: Redis's. Between two measures it goes on by this machine's monotonic clock, which no one
// sets.
import type { Connections } from './connections.ts';
import type { RedisKeys } from './keys.ts';

const EVERY_MS = 5000;
/** While there is no measure. */
const RETRY_MS = 200;
/** How often the clock is asked. The answer with the shortest round trip counts, and is wrong by half of that trip at most. */
const TRIES = 3;
/** A measure with a longer round trip is worth nothing beside an earlier one. */
const LONGEST_TRIP_MS = 250;

/** From here on a correction is a jump. */
const JUMP_MS = 1000;

/** By a key, so that a Cluster asks the node that has all of ours: nodes have clocks of their own. */
const TIME = "return redis.call('TIME')";

export class SharedClock {
  readonly #connections: Connections;
  readonly #keys: RedisKeys;
  readonly #onJump: () => void;
  /** What the shared clock showed when `performance.now()` was 0: until it is measured, by this machine's own. */
  #originMs = Date.now() - performance.now();
  #isMeasured = false;
  #measuring: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;

  /** `onJump` hears that what the clock showed so far was wrong, or that Redis's clock was set. */
  constructor(connections: Connections, keys: RedisKeys, onJump: () => void) {
    this.#connections = connections;
    this.#keys = keys;
    this.#onJump = onJump;
  }

  readonly now = (): number => performance.now() + this.#originMs;

  /** Measures now, and again and again; resolves after the first try. */
  start(): Promise<void> {
    this.#connections.onReady('control', () => void this.#measure());
    return this.#measure();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #measure(): Promise<void> {
    clearTimeout(this.#timer);
    this.#measuring ??= this.#measureBest().finally(() => {
      this.#measuring = undefined;
      if (this.#isStopped) return;
      this.#timer = setTimeout(() => void this.#measure(), this.#isMeasured ? EVERY_MS : RETRY_MS).unref();
    });
    return this.#measuring;
  }

  async #measureBest(): Promise<void> {
    let best: { readonly tripMs: number; readonly originMs: number } | undefined;
    for (let i = 0; i < TRIES; i++) {
      const measure = await this.#ask();
      if (measure === undefined) break;
      if (best === undefined || measure.tripMs < best.tripMs) best = measure;
    }
    if (best === undefined || (this.#isMeasured && best.tripMs > LONGEST_TRIP_MS)) return;
    const byMs = best.originMs - this.#originMs;
    this.#originMs = best.originMs;
    this.#isMeasured = true;
    if (Math.abs(byMs) >= JUMP_MS) this.#onJump();
  }

  /** Undefined when Redis does not say: `use` has reported why, and it is asked again. */
  async #ask(): Promise<{ readonly tripMs: number; readonly originMs: number } | undefined> {
    const asked = performance.now();
    const time = await this.#connections
      .use('clock_read', (client) => client.eval(TIME, 1, this.#keys.rolledBack) as Promise<[string, string]>)
      .catch(() => undefined);
    if (time === undefined) return undefined;
    const answered = performance.now();
    const [seconds, micros] = time.map(Number) as [number, number];
    // The answer is about half a round trip old.
    return {
      tripMs: answered - asked,
      originMs: seconds * 1000 + micros / 1000 - (asked + answered) / 2,
    };
  }
}
