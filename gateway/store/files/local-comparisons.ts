// Comparisons of one gateway by itself: queued within bounds, written every 50 ms, in memory or in files.
import type { ComparisonBatch, KeptText, Lines, SumsDelta } from '../../compare/batch.ts';
import { countOf, Queue } from '../../compare/queue.ts';
import { KeptValues } from '../kept-values.ts';
import type { Retention } from '../retention.ts';
import type { ComparisonStore, Page, PageQuery, Slot, SlotSums, StoreCounters } from '../store.ts';
import { SumsMemory } from '../sums-memory.ts';
import type { SegmentedLog } from './segments.ts';
import type { SumsFiles } from './sums-files.ts';

const FLUSH_MS = 50;
const SNAPSHOT_MS = 10_000;
/** Comparisons that wait for the disk, and their bytes. */
const MAX_WAITING = 10_000;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
const MINUTE_MS = 60_000;
/** After a failure the disk is tried again after this long, also when no comparison comes. */
const AGAIN_MS = 1000;

export type LocalComparisonsOptions = {
  readonly log: SegmentedLog;
  readonly sums: SumsFiles | SumsMemory;
  readonly retention: Retention;
  readonly onTrouble: (error: Error) => void;
};

/** The embedded comparison store. */
export class LocalComparisons implements ComparisonStore {
  readonly #options: LocalComparisonsOptions;
  readonly #waiting = new Queue<ComparisonBatch>({
    maxCount: MAX_WAITING,
    maxBytes: MAX_WAITING_BYTES,
    bytesOf: bytesOfBatch,
    countOf: ({ records }) => records.count,
  });
  readonly #kept = new KeptValues();
  readonly #readers = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #inHand = 0;
  #offered = 0;
  #written = 0;
  #refused = 0;
  #trouble: string | undefined;
  #snapshotDue = Date.now() + SNAPSHOT_MS;
  #expiryDue = Date.now() + MINUTE_MS;

  constructor(options: LocalComparisonsOptions) {
    this.#options = options;
  }

  append(batch: ComparisonBatch): void {
    this.#offered += batch.records.count;
    this.#waiting.push(batch);
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  }

  page(query: PageQuery): Promise<Page> {
    return this.#options.log.page(query);
  }

  news(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(limit);
        this.#readers.delete(wake);
        resolve();
      };
      const limit = setTimeout(wake, withinMs);
      this.#readers.add(wake);
    });
  }

  async subjects() {
    return this.#options.sums.subjects();
  }

  async sums(...range: [SumsDelta['subject'], Slot, number, number]): Promise<readonly SlotSums[]> {
    return this.#options.sums.read(...range);
  }

  async kept(id: string): Promise<string | undefined> {
    return this.#kept.get(id, Date.now());
  }

  counters(): StoreCounters {
    return {
      offered: this.#offered,
      written: this.#written,
      dropped: this.#waiting.dropped + this.#refused,
      unknown: 0,
      waiting: this.#waiting.count + this.#inHand,
    };
  }

  /** Why the last write failed; undefined while all is well. */
  trouble(): string | undefined {
    return this.#trouble;
  }

  async close(): Promise<void> {
    await this.#writing;
    this.#snapshotDue = 0;
    await this.#write();
    clearTimeout(this.#timer);
  }

  #flush(): void {
    this.#timer = undefined;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
      const pause = this.#waiting.count > 0 ? FLUSH_MS : this.#trouble === undefined ? undefined : AGAIN_MS;
      if (pause !== undefined) this.#timer ??= setTimeout(() => this.#flush(), pause).unref();
    });
  }

  async #write(): Promise<void> {
    const batches = this.#waiting.take(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
    const now = Date.now();
    await this.#writeRecords(
      batches.map(({ records }) => records),
      now,
    );
    for (const { deltas, kept } of batches) this.#add(deltas, kept, now);
    if (now >= this.#expiryDue) this.#expire(now);
    await this.#snapshotIfDue(now, batches.length === 0 && this.#trouble !== undefined);
    for (const wake of [...this.#readers]) wake();
  }

  async #writeRecords(records: readonly Lines[], now: number): Promise<void> {
    const count = countOf(records);
    if (count === 0) return;
    this.#inHand = count;
    try {
      await this.#options.log.append(records, now);
      this.#written += count;
      this.#trouble = undefined;
    } catch (error) {
      this.#refused += count;
      this.#noteTrouble(error as Error);
    }
    this.#inHand = 0;
  }

  #add(deltas: readonly SumsDelta[], kept: readonly KeptText[], now: number): void {
    this.#options.sums.add(deltas);
    for (const values of kept) this.#kept.add(values, now);
  }

  #expire(now: number): void {
    this.#expiryDue = now + MINUTE_MS;
    this.#kept.expire(now);
    if (this.#options.sums instanceof SumsMemory) this.#options.sums.expire(now, this.#options.retention);
  }

  /** `isTried`: no comparison came, and the last write failed, so this shows whether the disk takes anything again. */
  async #snapshotIfDue(now: number, isTried: boolean): Promise<void> {
    const { sums, log } = this.#options;
    if (sums instanceof SumsMemory || (now < this.#snapshotDue && !isTried)) return;
    this.#snapshotDue = now + SNAPSHOT_MS;
    try {
      await sums.snapshot(log.end(), now);
      if (isTried) this.#trouble = undefined;
    } catch (error) {
      this.#noteTrouble(error as Error);
    }
  }

  #noteTrouble(error: Error): void {
    // Once a failure, not once a write.
    if (this.#trouble === undefined) this.#options.onTrouble(error);
    this.#trouble = error.message;
  }
}

/** The bytes that a batch holds in memory, about. */
export function bytesOfBatch({ records, kept }: ComparisonBatch): number {
  let bytes = records.bytes.length;
  for (const { text } of kept) bytes += text.length;
  return bytes;
}
