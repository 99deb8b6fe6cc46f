// Sums on disk, one file a slot. What has come since the last snapshot is in memory, and also in the log of comparisons:
// every file says up to which line it has counted, so that a start counts the rest, and no line twice.
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Deltas, isSubjectKey, type Subject, type SumsDelta, subjectKey, subjectOf } from '../../compare/batch.ts';
import { makeFolder } from '../../policy/make-folder.ts';
import { addAll, type Sums, totalOf } from '../../statistics/sums.ts';
import { Damages } from '../damage.ts';
import { entriesIn, isObject, type Reader, type Say, shaped } from '../foreign.ts';
import type { Retention } from '../retention.ts';
import { SLOT_MS, slotsIn } from '../slots.ts';
import type { Slot, SlotSums } from '../store.ts';
import { isExpired, type SlotKey, SumsMemory } from '../sums-memory.ts';
import { takingTurns } from '../turns.ts';
import { readDataFile } from './data-files.ts';
import { isBefore, type Position, type SegmentedLog } from './segments.ts';

type SlotFile = {
  readonly upto: Position;
  readonly subjects: Readonly<Record<string, Readonly<Record<string, number>>>>;
};

const SLOT_FILE = /^((?:minute|hour)-\d{1,12})\.json$/;
/** Written last in a snapshot: every slot has counted at least this far. */
const UPTO_FILE = 'upto.json';
const START: Position = { segment: 0, line: 0 };

const POSITION = z.object({ segment: z.int().min(0), line: z.int().min(0) });
const SUMS = z.record(z.string(), z.number());

/** Sums of comparisons by slot of time, in files. */
export class SumsFiles {
  readonly #folder: string;
  readonly #retention: Retention;
  readonly #inTurn = takingTurns();
  readonly #subjects = new Set<string>();
  readonly #stored = new Set<SlotKey>();
  #recent = new SumsMemory();

  readonly #damages: Damages;

  constructor(folder: string, retention: Retention, damages = new Damages(() => {})) {
    this.#folder = folder;
    this.#damages = damages;
    this.#retention = retention;
  }

  /** Finds out how far the files have counted, and counts the rest of the log. */
  async open(log: SegmentedLog): Promise<void> {
    await makeFolder(this.#folder, 0o700);
    const counted = new Map<SlotKey, Position>();
    for (const name of await readdir(this.#folder)) {
      const slot = SLOT_FILE.exec(name)?.[1] as SlotKey | undefined;
      const file = slot === undefined ? undefined : await this.#readFile(slot);
      if (slot === undefined || file === undefined) continue;
      this.#stored.add(slot);
      counted.set(slot, file.upto);
      for (const subject of Object.keys(file.subjects)) this.#subjects.add(subject);
    }
    const from = await this.#read(UPTO_FILE, (value, say) =>
      value === undefined ? undefined : shaped(POSITION, value, '', say),
    );
    await log.replay(from ?? START, (comparison, at) => {
      const deltas = new Deltas();
      deltas.add(comparison);
      this.#add(deltas.list(), (slot) => !isBefore(at, counted.get(slot) ?? START));
    });
  }

  add(deltas: readonly SumsDelta[]): void {
    this.#add(deltas, () => true);
  }

  subjects(): Subject[] {
    return [...this.#subjects].map(subjectOf);
  }

  /** In turn with snapshots, so that no sum is seen in both places or in none. */
  read(subject: Subject, slot: Slot, from: number, to: number): Promise<SlotSums[]> {
    return this.#inTurn(async () => {
      const recent = new Map(this.#recent.read(subject, slot, from, to).map(({ at, sums }) => [at, sums]));
      const found: SlotSums[] = [];
      for (const number of slotsIn(slot, from, to)) {
        const at = number * SLOT_MS[slot];
        const parts = [recent.get(at), await this.#storedSums(`${slot}-${number}`, subject)];
        const known = parts.filter((sums) => sums !== undefined);
        if (known.length > 0) found.push({ at, sums: totalOf(known) });
      }
      return found;
    });
  }

  /** Writes what has come since the last snapshot. `upto` is the end of the log, all of which was added. */
  snapshot(upto: Position, now: number): Promise<void> {
    return this.#inTurn(async () => {
      const left = new Map(this.#recent.entries());
      this.#recent = new SumsMemory();
      try {
        for (const [slot, subjects] of left) {
          if (!isExpired(slot, now, this.#retention)) await this.#addToFile(slot, subjects, upto);
          left.delete(slot);
        }
      } finally {
        // After a failure, of a full disk say: the next snapshot tries again.
        for (const [slot, subjects] of left) this.#recent.restore(slot, subjects);
      }
      await this.#write(UPTO_FILE, upto);
      for (const slot of this.#stored)
        if (isExpired(slot, now, this.#retention)) {
          await rm(this.#path(slot), { force: true });
          this.#stored.delete(slot);
        }
    });
  }

  #add(deltas: readonly SumsDelta[], only: (slot: SlotKey) => boolean): void {
    this.#recent.add(deltas, only);
    for (const { subject } of deltas) this.#subjects.add(subjectKey(subject));
  }

  async #storedSums(slot: SlotKey, subject: Subject): Promise<Sums | undefined> {
    if (!this.#stored.has(slot)) return undefined;
    const sums = (await this.#readFile(slot))?.subjects[subjectKey(subject)];
    return sums === undefined ? undefined : new Map(Object.entries(sums));
  }

  async #addToFile(slot: SlotKey, added: ReadonlyMap<string, Sums>, upto: Position): Promise<void> {
    const before = this.#stored.has(slot) ? await this.#readFile(slot) : undefined;
    const subjects = new Map(
      Object.entries(before?.subjects ?? {}).map(([subject, sums]) => [subject, new Map(Object.entries(sums))]),
    );
    for (const [subject, sums] of added) {
      const total = subjects.get(subject) ?? new Map<string, number>();
      addAll(total, sums);
      subjects.set(subject, total);
    }
    const written = [...subjects].map(([subject, sums]) => [subject, Object.fromEntries(sums)] as const);
    await this.#write(`${slot}.json`, { upto, subjects: Object.fromEntries(written) } satisfies SlotFile);
    this.#stored.add(slot);
  }

  /** A file that was damaged from outside counts as none: sums are worth less than a start. */
  async #readFile(slot: SlotKey): Promise<SlotFile | undefined> {
    return this.#read(`${slot}.json`, readSlot);
  }

  async #read<T>(name: string, reader: Reader<T | undefined>): Promise<T | undefined> {
    const file = join(this.#folder, name);
    return (await readDataFile(file, reader, this.#damages).catch((error: Error) =>
      this.#damages.note(file, [error.message]),
    )) as T | undefined;
  }

  async #write(name: string, value: unknown): Promise<void> {
    const file = join(this.#folder, name);
    await writeFile(`${file}.tmp`, JSON.stringify(value), { mode: 0o600 });
    await rename(`${file}.tmp`, file);
  }

  #path(slot: SlotKey): string {
    return join(this.#folder, `${slot}.json`);
  }
}

/** Undefined when it does not say how far it has counted. */
function readSlot(value: unknown, say: Say): SlotFile | undefined {
  if (value === undefined) return undefined;
  const file = isObject(value) ? value : {};
  const upto = shaped(POSITION, file.upto, 'upto', say);
  if (upto === undefined) return undefined;
  const subjects = entriesIn(SUMS, file.subjects, 'subjects', say).filter(([key]) => {
    const isSubject = isSubjectKey(key);
    if (!isSubject) say('subjects: a name that is no shadow between two versions');
    return isSubject;
  });
  return { upto, subjects: Object.fromEntries(subjects) };
}
