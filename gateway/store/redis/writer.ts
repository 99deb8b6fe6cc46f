// Everything that is appended to Redis, in batches, each applied once. Queued within bounds, the oldest dropped first, and
// counted: nothing here waits for Redis, and nothing throws.
import { countOf, Queue } from '../../compare/queue.ts';
import type { StoreCounters } from '../store.ts';
import { applyOnce, type Command, type CommandWords, isUnsure } from './apply-once.ts';
import type { Connections } from './connections.ts';
import { Increments } from './increments.ts';
import { Pace } from './pace.ts';

const FLUSH_MS = 50;
const INCREMENTS_MS = 1000;
const MAX_WAITING = 20_000;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const BATCH_ENTRIES = 1000;
const MAX_BATCH_BYTES = 256 * 1024;
const MIN_BATCH_BYTES = 2 * 1024;

/** A command, and how many things told to the store it carries: 1 for a comparison, 0 for what only goes with one. */
export type Entry = { readonly command: Command; readonly count: number };

type Batch = { readonly number: number; readonly entries: readonly Entry[] };

export type WriterOptions = {
  readonly connections: Connections;
  readonly appliedKey: string;
  readonly onTrouble: (error: Error) => void;
};

/** Writes to Redis in the background. */
export class Writer {
  readonly #options: WriterOptions;
  readonly #waiting = new Queue<Entry>({
    maxCount: MAX_WAITING,
    maxBytes: MAX_WAITING_BYTES,
    bytesOf,
    countOf: ({ count }) => count,
  });
  readonly #increments = new Increments();
  readonly #pace = new Pace(() => void this.#flush());
  /** Entries of a batch that did not land: they go first. */
  #again: readonly Entry[] = [];
  /** The batch that was sent and never answered: the next thing to find out is whether it landed. */
  #unsure: Batch | undefined;
  #number = 0;
  #lastApplied = 0;
  #batchBytes = MAX_BATCH_BYTES;
  #incrementsDue = 0;
  #flushing: Promise<void> | undefined;
  #inHand = 0;
  #offered = 0;
  #written = 0;
  #dropped = 0;
  #unknown = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Takes a command that must be applied exactly once; cheapest when the words before the last are the same array each time. */
  push(words: CommandWords, last: string, count: number): void {
    this.#offered += count;
    this.#waiting.push({ command: { words, last }, count });
    this.#pace.schedule(FLUSH_MS);
  }

  /** Adds to a field of a hash that lives this long; additions are gathered and written every second. */
  increment(key: string, field: string, by: number, ttlMs: number): void {
    this.#increments.add(key, field, by, ttlMs);
    this.#pace.schedule(INCREMENTS_MS);
  }

  counters(): StoreCounters {
    return {
      offered: this.#offered,
      written: this.#written,
      dropped: this.#dropped + this.#waiting.dropped,
      unknown: this.#unknown,
      waiting: this.#waiting.count + countOf(this.#again) + this.#inHand + countOf(this.#unsure?.entries ?? []),
    };
  }

  /** Tries again at once what waits for its time: Redis is back. */
  wake(): void {
    this.#pace.wake();
  }

  /** Writes what waits, for at most this long; the rest is dropped, and unknown where it was sent. */
  async close(withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    do {
      await this.#flushing;
      this.#incrementsDue = 0;
      await this.#flush();
    } while (this.#hasWork() && this.#pace.failures < 3 && performance.now() < deadline);
    this.#pace.stop();
    const rest = this.#waiting.take(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
    this.#dropped += countOf(rest) + countOf(this.#again);
    this.#unknown += countOf(this.#unsure?.entries ?? []);
    this.#again = [];
    this.#unsure = undefined;
  }

  #hasWork(): boolean {
    const hasEntries = this.#unsure !== undefined || this.#again.length > 0 || !this.#waiting.isEmpty();
    return hasEntries || !this.#increments.isEmpty();
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#step()
      .then(() => this.#succeeded())
      .catch(() => this.#failed()) // reported by `use`
      .finally(() => {
        this.#flushing = undefined;
        if (this.#hasWork()) this.#pace.schedule(this.#pause());
      });
    return this.#flushing;
  }

  #pause(): number {
    const isFull = this.#waiting.count >= BATCH_ENTRIES || this.#waiting.bytes >= this.#batchBytes;
    if (isFull || this.#again.length > 0) return 0;
    return this.#waiting.isEmpty() ? Math.max(0, this.#incrementsDue - performance.now()) : FLUSH_MS;
  }

  /** One exchange with Redis: clears up what is unsure, or else sends the next batch. */
  async #step(): Promise<void> {
    if (this.#unsure !== undefined) return this.#settle(this.#unsure);
    const entries = this.#nextEntries();
    if (entries.length === 0) return;
    this.#inHand = countOf(entries);
    const batch: Batch = { number: ++this.#number, entries };
    try {
      await this.#send(batch);
    } catch (error) {
      if (isUnsure(error as Error)) this.#unsure = batch;
      else this.#again = [...entries, ...this.#again];
      throw error;
    } finally {
      this.#inHand = 0;
    }
  }

  async #send({ number, entries }: Batch): Promise<void> {
    const { connections, appliedKey } = this.#options;
    const commands = entries.map(({ command }) => command);
    const applied = await connections.use('records_write', (client) => applyOnce(client, appliedKey, number, commands));
    this.#noteMemory(applied.before);
    this.#lastApplied = applied.last;
    const refused = new Set(applied.refused);
    for (const [i, { count }] of entries.entries())
      if (refused.has(i)) this.#dropped += count;
      else this.#written += count;
    // What Redis said of single commands in a batch that it applied otherwise.
    if (applied.error !== '') connections.operations.failed('records_write', applied.error);
  }

  /**
   * An empty batch with the next number: it keeps the unsure one from landing any more, and tells whether it had. Sent again
   * under the same number until it is answered, for Redis remembers what came before it.
   */
  async #settle({ number, entries }: Batch): Promise<void> {
    const { connections, appliedKey } = this.#options;
    this.#number = number + 1;
    const { before, last } = await connections.use('records_write', (client) =>
      applyOnce(client, appliedKey, this.#number, []),
    );
    this.#noteMemory(before);
    this.#lastApplied = last;
    this.#unsure = undefined;
    if (before === number) this.#written += countOf(entries);
    else this.#again = [...entries, ...this.#again];
  }

  #nextEntries(): readonly Entry[] {
    if (this.#again.length > 0) return this.#takeAgain();
    const now = performance.now();
    const entries = this.#waiting.take(BATCH_ENTRIES, this.#batchBytes);
    if (now < this.#incrementsDue) return entries;
    const increments = this.#increments.take(BATCH_ENTRIES);
    if (this.#increments.isEmpty()) this.#incrementsDue = now + INCREMENTS_MS;
    return [...entries, ...increments.map((command) => ({ command, count: 0 }))];
  }

  /** The first of what did not land, as much as the connection seems to bear. */
  #takeAgain(): readonly Entry[] {
    let bytes = 0;
    const fitting = this.#again.findIndex((entry) => {
      bytes += bytesOf(entry);
      return bytes > this.#batchBytes;
    });
    const end = fitting < 0 ? this.#again.length : Math.max(1, fitting);
    const taken = this.#again.slice(0, end);
    this.#again = this.#again.slice(end);
    return taken;
  }

  /** The batch before is one that Redis must remember, unless it has lost its memory since. */
  #noteMemory(before: number): void {
    if (before >= this.#lastApplied) return;
    const most = `at most ${this.#written} comparisons and other records of this gateway`;
    this.#options.onTrouble(new Error(`Redis came back without what it held: ${most} are gone`));
  }

  #succeeded(): void {
    this.#pace.succeeded();
    this.#batchBytes = Math.min(this.#batchBytes * 2, MAX_BATCH_BYTES);
  }

  #failed(): void {
    this.#pace.failed();
    if (this.#unsure !== undefined) this.#batchBytes = Math.max(this.#batchBytes / 2, MIN_BATCH_BYTES);
  }
}

/** About: the words before the last are mostly shared. */
function bytesOf({ command }: Entry): number {
  return command.last.length + 64;
}
