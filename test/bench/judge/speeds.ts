import { BUCKETS, latencyOf } from '../../../gateway/judge/evidence/histogram.ts';
import { normal, probit, type Random, tailOf } from './random.ts';
import type { LatencySpec } from './world-spec.ts';

/** So many kinds of callers, each as frequent, where callers differ in speed. */
const CLASSES = 64;

/** Resolves quantiles up to .9999. */
const TABLE = 8192;

/** How long answers take: log-normal around a median that depends on the speed class of the caller. */
export class Speeds {
  /** Median in milliseconds by class. */
  readonly #medians: Float64Array;
  readonly #sigma: number;
  readonly #table: Uint16Array;

  constructor({ medianMs = 20, sigma = 0.6, between = 0 }: LatencySpec) {
    this.#sigma = sigma;
    this.#medians = new Float64Array(between > 0 ? CLASSES : 1).map(
      (_, i, { length }) => medianMs * Math.exp(between * probit((i + 0.5) / length)),
    );
    this.#table = this.#quantiles();
  }

  get classes(): number {
    return this.#medians.length;
  }

  /** The part of a class's answers that takes longer. */
  partAbove(limitMs: number, speed: number): number {
    return limitMs <= 0 ? 1 : tailOf(Math.log(limitMs / this.#medianMs(speed)) / this.#sigma);
  }

  draw(speed: number, random: Random): number {
    return this.#medianMs(speed) * Math.exp(this.#sigma * normal(random));
  }

  /** One of the answers that takes longer than the limit. */
  drawAbove(limitMs: number, part: number, speed: number, random: Random): number {
    const ms = this.#medianMs(speed) * Math.exp(-this.#sigma * probit(part * (random() + 2 ** -33)));
    return Math.max(ms, limitMs * (1 + 1e-9)); // the tail and its inverse differ by rounding
  }

  /** Where in `bucket`'s table those that take longer begin. */
  cutAt(limitMs: number): number {
    if (limitMs === Number.POSITIVE_INFINITY) return TABLE;
    let above = 0;
    for (let speed = 0; speed < this.classes; speed++) above += this.partAbove(limitMs, speed) / this.classes;
    return Math.max(1, Math.round((1 - above) * TABLE));
  }

  /** The bucket of an answer by any caller that takes no longer than a limit, given as its `cutAt`. */
  bucket(cut: number, random: Random): number {
    return this.#table[Math.floor(random() * cut)] ?? 0;
  }

  #medianMs(speed: number): number {
    return this.#medians[speed] ?? Number.NaN;
  }

  /** The buckets of the latencies of all callers by quantile. */
  #quantiles(): Uint16Array {
    const table = new Uint16Array(TABLE);
    let next = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const upTo = this.cutAt(latencyOf(bucket) * 1.01);
      if (upTo > next) table.fill(bucket, next, upTo);
      next = Math.max(next, upTo);
    }
    return table.fill(BUCKETS - 1, next);
  }
}
