// The serving side of comparing: takes pairs, never waits, never throws. Whatever it costs beyond copying bytes is spent in
// a process of its own; what that process cannot keep up with is dropped, the oldest parcel first, and counted.
import type { Pair } from '../flow.ts';
import type { ComparisonBatch } from './batch.ts';
import { bytesOf, Packer } from './parcel.ts';
import { ComparingProcess } from './process.ts';
import { Queue } from './queue.ts';
import type { CompareSpec } from './spec.ts';

export type ComparerOptions = {
  /** Where comparisons go. Must neither wait nor throw. */
  readonly sink: (batch: ComparisonBatch) => void;
  readonly onTrouble?: (error: Error) => void;
  /** Pairs that wait, beside the parcel that is being packed; 2,048 if left out. */
  readonly maxPairs?: number;
  /** Bytes of the bodies that wait, likewise; 32 MiB if left out. */
  readonly maxBytes?: number;
};

/** What became of every pair: offered = compared + dropped + failed + waiting, at any time. */
export type ComparerCounters = {
  readonly offered: number;
  readonly compared: number;
  readonly dropped: number;
  /** In the process when it ended or got stuck. */
  readonly failed: number;
  readonly waiting: number;
};

const MEBIBYTE = 1024 * 1024;
/** A parcel is sent when it is this full, or this old: the longer, the less it costs a pair. */
const PARCEL_PAIRS = 64;
const PARCEL_BYTES = MEBIBYTE;
const PARCEL_AGE_MS = 25;
/** A parcel takes milliseconds. Longer than this, the process is stuck. */
const STUCK_MS = 15_000;
const RESTART_MS = 1000;

/** Compares pairs off the serving path. Starts its process with the first pair. */
export class Comparer {
  readonly #options: ComparerOptions;
  readonly #maxBytes: number;
  /** Parcels that wait for the process. */
  readonly #waiting: Queue<Packer>;
  /** The next parcel, being packed. */
  #packing = new Packer();
  #specs: ReadonlyMap<string, CompareSpec> = new Map();
  #process: ComparingProcess | undefined;
  #startAgainAt = 0;
  /** Pairs of the parcel that the process has. One at a time: the queue is here, where its bounds hold. */
  #inProcess = 0;
  #timer: NodeJS.Timeout | undefined;
  #stuck: NodeJS.Timeout | undefined;
  #closing = false;
  #onIdle: () => void = () => {};
  #offered = 0;
  #compared = 0;
  #failed = 0;
  /** Offered after closing, or larger than all the room. */
  #refused = 0;

  constructor(options: ComparerOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? 32 * MEBIBYTE;
    this.#waiting = new Queue({
      maxCount: options.maxPairs ?? 2048,
      maxBytes: this.#maxBytes,
      bytesOf: ({ bytes }) => bytes,
      countOf: ({ count }) => count,
    });
  }

  /** The specs of every shadow, by `shadowKey`. Pairs that the process does not have yet are compared by them. */
  configure(specs: ReadonlyMap<string, CompareSpec>): void {
    this.#specs = specs;
    this.#process?.send({ kind: 'specs', specs });
  }

  /** Takes a pair to compare. */
  offer(pair: Pair): void {
    this.#offered++;
    const bytes = bytesOf(pair);
    if (this.#closing || bytes > this.#maxBytes) {
      this.#refused++;
      return;
    }
    if (this.#packing.count > 0 && this.#packing.bytes + bytes > PARCEL_BYTES) this.#seal();
    this.#packing.add(pair);
    if (this.#packing.count === PARCEL_PAIRS || this.#packing.bytes >= PARCEL_BYTES) this.#seal();
    if (!this.#waiting.isEmpty()) this.#send();
    else this.#sendLater();
  }

  counters(): ComparerCounters {
    return {
      offered: this.#offered,
      compared: this.#compared,
      dropped: this.#waiting.dropped + this.#refused,
      failed: this.#failed,
      waiting: this.#packing.count + this.#waiting.count + this.#inProcess,
    };
  }

  /** Compares what waits, for at most this long, and ends the process. */
  async close(withinMs = 2000): Promise<void> {
    this.#closing = true;
    let limit: NodeJS.Timeout | undefined;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      limit = setTimeout(resolve, withinMs);
    });
    this.#send();
    await idle;
    clearTimeout(limit);
    clearTimeout(this.#timer);
    clearTimeout(this.#stuck);
    const running = this.#process;
    this.#process = undefined;
    await running?.kill();
  }

  #seal(): void {
    this.#waiting.push(this.#packing);
    this.#packing = new Packer();
  }

  /** Sends what there is when it is old enough, unless a parcel comes back before: the next one leaves then. */
  #sendLater(): void {
    if (this.#inProcess === 0) this.#timer ??= setTimeout(() => this.#send(), PARCEL_AGE_MS).unref();
  }

  /** Sends the oldest parcel, unless the process has one. */
  #send(): void {
    if (this.#inProcess > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.isEmpty() && this.#packing.count > 0) this.#seal();
    if (this.#waiting.isEmpty()) {
      this.#onIdle();
      return;
    }
    const running = this.#running();
    if (running === undefined) {
      this.#timer = setTimeout(() => this.#send(), RESTART_MS).unref();
      return;
    }
    const [packed] = this.#waiting.take(1, 0);
    if (packed === undefined) return;
    this.#inProcess = packed.count;
    this.#stuck = setTimeout(() => this.#fail(new Error(`stuck for ${STUCK_MS} ms`)), STUCK_MS).unref();
    running.send({ kind: 'pairs', parcel: packed.parcel() });
  }

  #done(batch: ComparisonBatch): void {
    clearTimeout(this.#stuck);
    this.#compared += this.#inProcess;
    this.#inProcess = 0;
    this.#options.sink(batch);
    if (!this.#waiting.isEmpty() || this.#closing) this.#send();
    else if (this.#packing.count > 0) this.#sendLater();
  }

  #fail(error: Error): void {
    clearTimeout(this.#stuck);
    this.#failed += this.#inProcess;
    this.#inProcess = 0;
    this.#startAgainAt = performance.now() + RESTART_MS;
    const broken = this.#process;
    this.#process = undefined;
    void broken?.kill();
    this.#options.onTrouble?.(error);
    this.#send();
  }

  #running(): ComparingProcess | undefined {
    if (this.#process !== undefined || performance.now() < this.#startAgainAt) return this.#process;
    try {
      const isCurrent = () => this.#process === started;
      const started = new ComparingProcess({
        onBatch: (batch) => isCurrent() && this.#done(batch),
        onEnd: (error) => isCurrent() && this.#fail(error),
      });
      this.#process = started;
      started.send({ kind: 'specs', specs: this.#specs });
    } catch (error) {
      // Node throws some errors of a start, such as ENOMEM, and emits others. The pairs wait for the next try.
      this.#startAgainAt = performance.now() + RESTART_MS;
      this.#options.onTrouble?.(error as Error);
    }
    return this.#process;
  }
}
