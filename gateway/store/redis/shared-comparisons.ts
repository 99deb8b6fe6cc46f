import type { ComparisonBatch, Subject, SumsDelta } from '../../compare/batch.ts';
import { isSubjectKey, subjectKey, subjectOf, textsIn } from '../../compare/batch.ts';
import { placeIn } from '../../statistics/sums.ts';
import type { Damages } from '../damage.ts';
import { KeptOrder } from '../kept-values.ts';
import type { Retention } from '../retention.ts';
import { SLOT_MS, SLOTS, slotOfDelta, slotRetention, slotsIn } from '../slots.ts';
import type { ComparisonStore, Page, PageQuery, Slot, SlotSums } from '../store.ts';
import type { CommandWords } from './apply-once.ts';
import { newer, older } from './comparison-pages.ts';
import type { Connections } from './connections.ts';
import { readHash } from './foreign-keys.ts';
import { partsOf, sumsIn } from './hashed-sums.ts';
import type { RedisKeys } from './keys.ts';
import type { Writer } from './writer.ts';

/** Slots read in one exchange. */
const SLOTS_AT_ONCE = 100;
/** Hashes whose fields are remembered, so that no more of them come from here than there is room for: those written now. */
const MAX_REMEMBERED = 100;

export type SharedComparisonsOptions = {
  readonly connections: Connections;
  readonly keys: RedisKeys;
  readonly writer: Writer;
  readonly retention: Retention;
  readonly damages: Damages;
  readonly now: () => number;
};

/** Comparisons of every replica, in Redis: records in a stream, sums in hashes. */
export class SharedComparisons implements ComparisonStore {
  readonly #options: SharedComparisonsOptions;
  readonly #addRecord: CommandWords;
  #nextTrim = 0;
  /** The minute in which each subject was last told to Redis. */
  readonly #seen = new Map<string, number>();
  readonly #kept = new KeptOrder();
  /** The fields that were added to each hash from here. */
  readonly #fields = new Map<string, Map<string, number>>();
  /** The one blocking read that everyone who waits for news shares. */
  #watching: Promise<void> | undefined;

  constructor(options: SharedComparisonsOptions) {
    this.#options = options;
    const { keys, retention } = options;
    this.#addRecord = ['XADD', keys.comparisons, 'MAXLEN', '~', String(retention.comparisons), '*', 'c'];
  }

  append({ records, deltas, kept }: ComparisonBatch): void {
    const { writer, now } = this.#options;
    for (const record of textsIn(records)) writer.push(this.#addRecord, record, 1);
    for (const delta of deltas) this.#addSums(delta);
    for (const each of kept) this.#keep(each);
    if (now() >= this.#nextTrim) this.#trim();
  }

  page(query: PageQuery): Promise<Page> {
    const { connections, keys, damages } = this.#options;
    return connections.use('comparisons_read', (client) =>
      query.after === undefined
        ? older(client, keys.comparisons, query, damages)
        : newer(client, keys.comparisons, query, query.after, damages),
    );
  }

  async news(withinMs: number): Promise<void> {
    this.#watching ??= this.#watch().finally(() => {
      this.#watching = undefined;
    });
    let limit: NodeJS.Timeout | undefined;
    const time = new Promise<void>((resolve) => {
      limit = setTimeout(resolve, withinMs);
    });
    await Promise.race([this.#watching, time]);
    clearTimeout(limit);
  }

  async subjects(): Promise<readonly Subject[]> {
    const { connections, keys, damages } = this.#options;
    const subjects = await connections.use('comparisons_read', (client) => client.zrange(keys.subjects, '0', '-1'));
    const foreign = subjects.filter((subject) => !isSubjectKey(subject));
    damages.saw(
      keys.subjects,
      foreign.map((word) => `"${word.slice(0, 80)}" is no shadow between two versions`),
    );
    return subjects.filter(isSubjectKey).map(subjectOf);
  }

  async sums(subject: Subject, slot: Slot, from: number, to: number): Promise<readonly SlotSums[]> {
    const { connections, keys, damages } = this.#options;
    const numbers = slotsIn(slot, from, to);
    const found: SlotSums[] = [];
    for (let i = 0; i < numbers.length; i += SLOTS_AT_ONCE) {
      const part = numbers.slice(i, i + SLOTS_AT_ONCE);
      const hashes = await connections.use('comparisons_read', (client) =>
        Promise.all(part.map((number) => readHash(client, keys.sums(slot, number, subject), damages))),
      );
      for (const [j, hash] of hashes.entries()) {
        const sums = sumsIn(hash, keys.sums(slot, part[j] ?? 0, subject), damages);
        if (sums.size > 0) found.push({ at: (part[j] ?? 0) * SLOT_MS[slot], sums });
      }
    }
    return found;
  }

  async kept(id: string): Promise<string | undefined> {
    const { connections, keys } = this.#options;
    return (await connections.use('comparisons_read', (client) => client.get(keys.kept(id)))) ?? undefined;
  }

  #addSums(delta: SumsDelta): void {
    const { writer, keys, retention } = this.#options;
    for (const slot of SLOTS) {
      const key = keys.sums(slot, slotOfDelta(delta, slot), delta.subject);
      const fields = this.#fieldsOf(key);
      for (const [field, by] of delta.sums) {
        const place = placeIn(fields, field);
        if (place === undefined) continue;
        fields.set(place, 0);
        for (const [part, value] of partsOf(place, by))
          writer.increment(key, part, value, slotRetention(slot, retention));
      }
    }
    const subject = subjectKey(delta.subject);
    if ((this.#seen.get(subject) ?? 0) >= delta.minute) return;
    this.#seen.set(subject, delta.minute);
    writer.push(['ZADD', keys.subjects, 'GT', String(delta.minute)], subject, 0);
  }

  /** What this gateway has kept has the same bounds here as in memory; a time of none ends an entry. */
  #keep({ id, text, ttlMs }: ComparisonBatch['kept'][number]): void {
    const { writer, keys } = this.#options;
    writer.push(['PSETEX', keys.kept(id), String(Math.ceil(ttlMs))], text, 0);
    for (const gone of this.#kept.add(id, text.length)) writer.push(['PEXPIRE', keys.kept(gone)], '0', 0);
  }

  #fieldsOf(key: string): Map<string, number> {
    const fields = this.#fields.get(key) ?? new Map<string, number>();
    this.#fields.set(key, fields);
    const [oldest] = this.#fields.keys();
    if (this.#fields.size > MAX_REMEMBERED && oldest !== undefined) this.#fields.delete(oldest);
    return fields;
  }

  /** Once a minute: what is too old goes, approximately. */
  #trim(): void {
    const { writer, keys, retention, now } = this.#options;
    this.#nextTrim = now() + SLOT_MS.minute;
    const oldest = Math.max(0, Math.floor(now() - retention.comparisonsMs));
    writer.push(['XTRIM', keys.comparisons, 'MINID', '~'], String(oldest), 0);
    const oldestMinute = Math.floor((now() - retention.hoursMs) / SLOT_MS.minute);
    writer.push(['ZREMRANGEBYSCORE', keys.subjects, '-inf'], String(oldestMinute), 0);
  }

  async #watch(): Promise<void> {
    const { connections, keys } = this.#options;
    try {
      await connections.use('news_read', (client) => client.xread('BLOCK', 2000, 'STREAMS', keys.comparisons, '$'));
    } catch {
      await pause(1000); // reported by `use`; whoever waits asks again and is refused
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
