import { geometric, type Random, wholeBelow } from './random.ts';

/** Things to come, by second. */
export class Later<T> {
  readonly #seconds = new Map<number, T[]>();

  put(second: number, thing: T): void {
    const things = this.#seconds.get(second);
    if (things === undefined) this.#seconds.set(second, [thing]);
    else things.push(thing);
  }

  take(second: number): readonly T[] {
    if (this.#seconds.size === 0) return [];
    const things = this.#seconds.get(second);
    this.#seconds.delete(second);
    return things ?? [];
  }

  /** Forgets all. */
  clear(): void {
    this.#seconds.clear();
  }
}

/** Why a request failed: it would fail anywhere, on the candidate, or for what happened to the server. */
export type Cause = 'request' | 'candidate' | 'server';

export type Retry = { readonly caller: number; readonly cause: Cause };

const WITHIN_S = 3;

/** Requests that are sent again. */
export class Retries extends Later<Retry> {
  readonly #mean: number;
  readonly #random: Random;

  constructor(mean: number, random: Random) {
    super();
    this.#mean = mean;
    this.#random = random;
  }

  /**
   * A request failed in this second. If it fails again whenever it is sent, all its retries are known now; otherwise each
   * of them is known when the one before it has failed.
   */
  failed(second: number, caller: number, cause: Cause, isRetry: boolean): void {
    if (this.#mean <= 1 || (isRetry && cause !== 'server')) return;
    const all = geometric(this.#mean, this.#random);
    const retries = cause === 'server' ? Math.min(1, all - 1) : all - 1;
    for (let i = 0; i < retries; i++) this.put(second + 1 + wholeBelow(WITHIN_S, this.#random), { caller, cause });
  }
}
