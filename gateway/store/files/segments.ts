// Comparisons as lines in segments: appended to the last one, dropped by whole segments, read from the newest back.
import { type Lines, textsIn } from '../../compare/batch.ts';
import type { Comparison } from '../../compare/comparison.ts';
import { countOf } from '../../compare/queue.ts';
import { fits, parseRecord } from '../filter.ts';
import type { Retention } from '../retention.ts';
import type { Page, PageQuery } from '../store.ts';

/** Where segments lie. Numbers only grow. */
export type SegmentStorage = {
  readonly list: () => Promise<readonly Segment[]>;
  readonly append: (segment: number, lines: readonly Lines[]) => Promise<void>;
  readonly read: (segment: number) => Promise<readonly string[]>;
  readonly remove: (segment: number) => Promise<void>;
};

export type Segment = { readonly number: number; readonly lines: number; readonly lastAt: number };

/** Lines of a segment, more only where they came at once: few enough to be read in a few milliseconds. */
const SEGMENT_LINES = 1000;
/** Lines that one page looks through; the next page goes on from there. */
const MAX_SCANNED = 10_000;

/** The place of a line. */
export type Position = { readonly segment: number; readonly line: number };

/** Whether one place lies before another. */
export function isBefore(a: Position, b: Position): boolean {
  return a.segment < b.segment || (a.segment === b.segment && a.line < b.line);
}

/** An append-only log of comparisons with retention by count and age. Writes one at a time; reads at any time. */
export class SegmentedLog {
  readonly #storage: SegmentStorage;
  readonly #retention: Retention;
  /** Hears of a segment with a line that is no comparison. */
  readonly #onUnreadable: (segment: number) => void;
  #segments: Segment[] = [];

  constructor(storage: SegmentStorage, retention: Retention, onUnreadable: (segment: number) => void = () => {}) {
    this.#storage = storage;
    this.#retention = retention;
    this.#onUnreadable = onUnreadable;
  }

  /** Takes over what is there. New lines go into a segment of their own: the last one may have been cut short. */
  async open(now: number): Promise<void> {
    this.#segments = [...(await this.#storage.list())].sort((a, b) => a.number - b.number);
    // Also after one without lines: it may be a file that cannot be read, and so not be written either.
    this.#begin(now, (this.#segments.at(-1)?.number ?? 0) + 1);
  }

  /** Where the next line will be. */
  end(): Position {
    const last = this.#last();
    return { segment: last.number, line: last.lines };
  }

  /** Appends lines. Rejects when the storage fails; what was written of them is lost then. */
  async append(lines: readonly Lines[], now: number): Promise<void> {
    for (const part of partsOf(lines)) await this.#appendPart(part, now);
    await this.#expire(now);
  }

  /** A page, as `ComparisonStore.page` promises it. */
  page(query: PageQuery): Promise<Page> {
    return query.after === undefined ? this.#older(query) : this.#newer(query, positionOf(query.after));
  }

  /** Visits every comparison from a place on, the oldest first. */
  async replay(from: Position, visit: (comparison: Comparison, at: Position) => void): Promise<void> {
    for (const { number, lines } of [...this.#segments]) {
      if (number < from.segment || lines === 0) continue;
      const text = await this.#storage.read(number);
      for (let line = number === from.segment ? from.line : 0; line < lines; line++) {
        const comparison = this.#comparisonIn(number, text[line] ?? '');
        if (comparison !== undefined) visit(comparison, { segment: number, line });
      }
    }
  }

  #comparisonIn(segment: number, line: string): Comparison | undefined {
    const comparison = parseRecord(line);
    if (comparison === undefined) this.#onUnreadable(segment);
    return comparison;
  }

  async #appendPart(lines: readonly Lines[], now: number): Promise<void> {
    const count = countOf(lines);
    if (this.#last().lines + count > SEGMENT_LINES) this.#begin(now);
    const { number, lines: before } = this.#last();
    try {
      await this.#storage.append(number, lines);
      this.#segments[this.#segments.length - 1] = { number, lines: before + count, lastAt: now };
    } catch (error) {
      this.#begin(now); // half a line may stand at its end
      throw error;
    }
  }

  #begin(now: number, number = this.#last().number + (this.#last().lines === 0 ? 0 : 1)): void {
    if (this.#segments.at(-1)?.lines === 0) this.#segments.pop();
    this.#segments.push({ number, lines: 0, lastAt: now });
  }

  #last(): Segment {
    return this.#segments.at(-1) ?? { number: 1, lines: 0, lastAt: 0 };
  }

  async #expire(now: number): Promise<void> {
    let total = this.#segments.reduce((sum, { lines }) => sum + lines, 0);
    for (let [oldest] = this.#segments; oldest !== undefined && this.#segments.length > 1; [oldest] = this.#segments) {
      const isOver = total - oldest.lines >= this.#retention.comparisons;
      if (!isOver && oldest.lastAt >= now - this.#retention.comparisonsMs) return;
      total -= oldest.lines;
      this.#segments.shift();
      await this.#storage.remove(oldest.number);
    }
  }

  async #older(query: PageQuery): Promise<Page> {
    const found: Comparison[] = [];
    const newest = cursorOf(this.end());
    const start = query.cursor === undefined ? this.end() : positionOf(query.cursor);
    let scanned = 0;
    for (const { number, lines } of [...this.#segments].reverse()) {
      if (number > start.segment || lines === 0) continue;
      const text = await this.#storage.read(number).catch(expired);
      for (let line = Math.min(lines, number === start.segment ? start.line : lines) - 1; line >= 0; line--) {
        const comparison = this.#comparisonIn(number, text[line] ?? '');
        if (comparison !== undefined && fits(comparison, query)) found.push(comparison);
        if (found.length === query.limit || ++scanned === MAX_SCANNED)
          return { comparisons: found, cursor: cursorOf({ segment: number, line }), newest };
      }
    }
    return { comparisons: found, cursor: undefined, newest };
  }

  async #newer(query: PageQuery, start: Position): Promise<Page> {
    const found: Comparison[] = [];
    let scanned = 0;
    for (const { number, lines } of [...this.#segments]) {
      if (number < start.segment) continue;
      const text = lines === 0 ? [] : await this.#storage.read(number).catch(expired);
      for (let line = number === start.segment ? start.line : 0; line < lines; line++) {
        const comparison = this.#comparisonIn(number, text[line] ?? '');
        if (comparison !== undefined && fits(comparison, query)) found.push(comparison);
        if (found.length === query.limit || ++scanned === MAX_SCANNED)
          return { comparisons: found, cursor: undefined, newest: cursorOf({ segment: number, line: line + 1 }) };
      }
    }
    return { comparisons: found, cursor: undefined, newest: cursorOf(this.end()) };
  }
}

/** In parts of as many lines as go into a segment. */
function partsOf(lines: readonly Lines[]): Lines[][] {
  const parts: Lines[][] = [];
  let room = 0;
  for (const some of lines) {
    if (some.count > room) {
      parts.push([]);
      room = SEGMENT_LINES;
    }
    parts.at(-1)?.push(some);
    room -= some.count;
  }
  return parts;
}

function cursorOf({ segment, line }: Position): string {
  return `${segment}:${line}`;
}

/** The place that a cursor names; one that names none is the beginning. */
function positionOf(cursor: string): Position {
  const [segment, line] = cursor.split(':').map(Number);
  return { segment: wholeOr0(segment), line: wholeOr0(line) };
}

function wholeOr0(value: number | undefined): number {
  return Number.isSafeInteger(value) ? Number(value) : 0;
}

/** Segments in memory. */
export function memorySegments(): SegmentStorage {
  const segments = new Map<number, Lines[]>();
  return {
    list: async () => [],
    append: async (segment, lines) => {
      const before = segments.get(segment);
      if (before === undefined) segments.set(segment, [...lines]);
      else before.push(...lines);
    },
    read: async (segment) => (segments.get(segment) ?? []).flatMap(textsIn),
    remove: async (segment) => void segments.delete(segment),
  };
}

/** A segment that is gone was too old; one that cannot be read is an error. */
function expired(error: NodeJS.ErrnoException): readonly string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}
