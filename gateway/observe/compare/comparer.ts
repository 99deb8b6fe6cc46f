// The serving side of comparing: takes pairs, never waits, never throws. Whatever it costs beyond copying bytes is spent in
// a thread of its own; what that thread cannot keep up with is dropped, the oldest parcel first, and counted.
import { Worker } from 'node:worker_threads';
import type { Pair } from '../../flow.ts';
import type { ComparisonBatch } from './batch.ts';
import { bytesOf, Packer, type Parcel } from './parcel.ts';
import { Queue } from './queue.ts';
import type { CompareSpec } from './spec.ts';

export type ToWorker =
  | { readonly kind: 'specs'; readonly specs: ReadonlyMap<string, CompareSpec> }
  | { readonly kind: 'pairs'; readonly parcel: Parcel };

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
  /** In the thread when it broke or got stuck. */
  readonly failed: number;
  readonly waiting: number;
};

const MEBIBYTE = 1024 * 1024;
/** A parcel is sent when it is this full, or this old: the longer, the less it costs a pair. */
const PARCEL_PAIRS = 64;
const PARCEL_BYTES = MEBIBYTE;
const PARCEL_AGE_MS = 25;
/** A parcel takes milliseconds. Longer than this, the thread is stuck. */
const STUCK_MS = 15_000;
const RESTART_MS = 1000;
/** A hostile answer may unfold into many times its bytes: then this thread ends, and not the gateway. */
const resourceLimits = { maxOldGenerationSizeMb: 128 };

/** Compares pairs off the serving path. Starts its thread with the first pair. */
export class Comparer {
  readonly #options: ComparerOptions;
  readonly #maxBytes: number;
  /** Parcels that wait for the thread. */
  readonly #waiting: Queue<Packer>;
  /** The next parcel, being packed. */
  #packing = new Packer();
  #specs: ReadonlyMap<string, CompareSpec> = new Map();
  #worker: Worker | undefined;
  #startAgainAt = 0;
  /** Pairs of the parcel that the thread has. One at a time: the queue is here, where its bounds hold. */
  #inThread = 0;
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

  /** The specs of every shadow, by `shadowKey`. Pairs that the thread does not have yet are compared by them. */
  configure(specs: ReadonlyMap<string, CompareSpec>): void {
    this.#specs = specs;
    this.#worker?.postMessage({ kind: 'specs', specs } satisfies ToWorker);
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
      waiting: this.#packing.count + this.#waiting.count + this.#inThread,
    };
  }

  /** Compares what waits, for at most this long, and ends the thread. */
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
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #seal(): void {
    this.#waiting.push(this.#packing);
    this.#packing = new Packer();
  }

  /** Sends what there is when it is old enough, unless a parcel comes back before: the next one leaves then. */
  #sendLater(): void {
    if (this.#inThread === 0) this.#timer ??= setTimeout(() => this.#send(), PARCEL_AGE_MS).unref();
  }

  /** Sends the oldest parcel, unless the thread has one. */
  #send(): void {
    if (this.#inThread > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.isEmpty() && this.#packing.count > 0) this.#seal();
    if (this.#waiting.isEmpty()) {
      this.#onIdle();
      return;
    }
    const worker = this.#running();
    if (worker === undefined) {
      this.#timer = setTimeout(() => this.#send(), RESTART_MS).unref();
      return;
    }
    const [packed] = this.#waiting.take(1, 0);
    if (packed === undefined) return;
    const parcel = packed.parcel();
    this.#inThread = packed.count;
    this.#stuck = setTimeout(() => this.#fail(new Error(`stuck for ${STUCK_MS} ms`)), STUCK_MS).unref();
    const message: ToWorker = { kind: 'pairs', parcel };
    worker.postMessage(message, [parcel.bytes.buffer, parcel.numbers.buffer]);
  }

  #done(batch: ComparisonBatch): void {
    clearTimeout(this.#stuck);
    this.#compared += this.#inThread;
    this.#inThread = 0;
    this.#options.sink(batch);
    if (!this.#waiting.isEmpty() || this.#closing) this.#send();
    else if (this.#packing.count > 0) this.#sendLater();
  }

  #fail(error: Error): void {
    clearTimeout(this.#stuck);
    this.#failed += this.#inThread;
    this.#inThread = 0;
    this.#startAgainAt = performance.now() + RESTART_MS;
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
    this.#options.onTrouble?.(error);
    this.#send();
  }

  #running(): Worker | undefined {
    if (this.#worker !== undefined || performance.now() < this.#startAgainAt) return this.#worker;
    const worker = new Worker(new URL('./compare-worker.js', import.meta.url), { resourceLimits });
    const isCurrent = () => this.#worker === worker;
    worker.on('message', (batch: ComparisonBatch) => isCurrent() && this.#done(batch));
    worker.on('error', (error) => isCurrent() && this.#fail(error));
    worker.on('exit', () => isCurrent() && this.#fail(new Error('the comparing thread ended')));
    worker.unref(); // after the listeners: a message listener would hold the process again
    worker.postMessage({ kind: 'specs', specs: this.#specs } satisfies ToWorker);
    this.#worker = worker;
    return worker;
  }
}
