import { open, readFile, rename, stat } from 'node:fs/promises';
import { z } from 'zod';
import { Damages } from '../damage.ts';
import { shaped, valueIn } from '../foreign.ts';
import type { AuditEntry, AuditTrail } from '../store.ts';
import { takingTurns } from '../turns.ts';
import { appendDurably } from './durable-file.ts';

const MAX_PAGE = 1000;
/** Beyond this a new file is begun and the one before the last goes. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** Entries in memory, where there is no file; where there is one, those that wait for the disk, beside what is being written. */
const MAX_IN_MEMORY = 1000;
const AGAIN_MS = 1000;

/** The audit trail in a file of JSON lines, or in memory when there is none. */
export class LocalAudit implements AuditTrail {
  readonly #file: string | undefined;
  readonly #inTurn = takingTurns();
  readonly #inMemory: AuditEntry[] = [];
  readonly #damages: Damages;
  /** What the file does not have yet; the oldest goes first where the disk fails for very long. */
  readonly #waiting: AuditEntry[] = [];
  /** Whether the file is known to end with a whole line: a crash and a full disk cut lines short. */
  #isWhole = false;
  #again: NodeJS.Timeout | undefined;
  #trouble: string | undefined;
  #dropped = 0;
  /** The first of those that wait: they are being written now. */
  #inWrite = 0;

  constructor(file: string | undefined, damages = new Damages(() => {})) {
    this.#file = file;
    this.#damages = damages;
  }

  append(entry: AuditEntry): Promise<void> {
    if (this.#file === undefined) {
      this.#inMemory.push(entry);
      if (this.#inMemory.length > MAX_IN_MEMORY) this.#inMemory.shift();
      return Promise.resolve();
    }
    this.#waiting.push(entry);
    this.#dropOldest();
    return this.#inTurn(() => this.#write());
  }

  read(limit: number): Promise<readonly AuditEntry[]> {
    const file = this.#file;
    return this.#inTurn(async () => {
      if (file === undefined) return newest(this.#inMemory, limit);
      const written = [...(await this.#entriesIn(`${file}.1`)), ...(await this.#entriesIn(file))];
      return newest([...written, ...this.#waiting], limit);
    });
  }

  /** Ids of rollouts whose rollback is on record: what the file of rollouts has lost this may still have. */
  async rolledBack(): Promise<readonly string[]> {
    const file = this.#file;
    if (file === undefined) return [];
    const entries = [...(await this.#entriesIn(`${file}.1`)), ...(await this.#entriesIn(file))];
    return entries.flatMap(({ kind, to, rollout }) =>
      kind === 'moved' && to === ROLLED_BACK && typeof rollout === 'string' ? [rollout] : [],
    );
  }

  /** Entries that the file will never have: the disk failed for so long that too many waited. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Why the last write failed; undefined while all is well. */
  trouble(): string | undefined {
    return this.#trouble;
  }

  /** Writes what waits, if the disk takes it. */
  async close(): Promise<void> {
    await this.#inTurn(() => this.#write()).catch(() => {});
    clearTimeout(this.#again);
  }

  /** What is being written is not dropped, and does not count: the file may have it when the write ends. */
  #dropOldest(): void {
    const excess = Math.max(this.#waiting.length - this.#inWrite - MAX_IN_MEMORY, 0);
    this.#waiting.splice(this.#inWrite, excess);
    this.#dropped += excess;
  }

  async #write(): Promise<void> {
    const entries = [...this.#waiting];
    if (this.#file === undefined || entries.length === 0) return;
    this.#inWrite = entries.length;
    try {
      await this.#appendAll(this.#file, entries);
      this.#waiting.splice(0, entries.length);
      this.#trouble = undefined;
    } catch (error) {
      this.#isWhole = false;
      this.#trouble = `the disk does not take ${this.#file}: ${(error as Error).message}`;
      clearTimeout(this.#again);
      this.#again = setTimeout(() => void this.#inTurn(() => this.#write()).catch(() => {}), AGAIN_MS).unref();
      throw error;
    } finally {
      this.#inWrite = 0;
      this.#dropOldest();
    }
  }

  async #appendAll(file: string, entries: readonly AuditEntry[]): Promise<void> {
    const size = await sizeOf(file);
    if (size > MAX_FILE_BYTES) await rename(file, `${file}.1`);
    const isWhole = this.#isWhole || size === 0 || size > MAX_FILE_BYTES || (await endsWithLine(file, size));
    const lines = entries.map((entry) => `${JSON.stringify(entry)}\n`).join('');
    await appendDurably(file, isWhole ? lines : `\n${lines}`);
    this.#isWhole = true;
  }

  async #entriesIn(file: string): Promise<AuditEntry[]> {
    const text = await readFile(file, 'utf8').catch(() => '');
    const problems: string[] = [];
    const entries = text
      .split('\n')
      .flatMap((line, i) => entryIn(line, (problem) => problems.push(`line ${i + 1}: ${problem}`)));
    this.#damages.saw(file, problems);
    return entries;
  }
}

/** The newest first. An entry that a failing disk took twice is one. */
function newest(entries: readonly AuditEntry[], limit: number): AuditEntry[] {
  const byId = new Map(entries.map((entry) => [entry.id, entry]));
  return [...byId.values()].slice(-Math.min(limit, MAX_PAGE)).reverse();
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

async function endsWithLine(file: string, size: number): Promise<boolean> {
  const handle = await open(file, 'r');
  try {
    const { buffer } = await handle.read({ position: size - 1, length: 1, buffer: Buffer.alloc(1) });
    return buffer[0] === 0x0a;
  } finally {
    await handle.close();
  }
}

/** The phase of a rollout that was rolled back, in the words of a transition. */
const ROLLED_BACK = 'rolled back';
const ENTRY = z.looseObject({ id: z.string(), at: z.number() });

/** The entry in a line; none for the end of the file, and for a line that a crash cut short or another program wrote. */
export function entryIn(line: string, say: (problem: string) => void): AuditEntry[] {
  if (line === '') return [];
  const value = valueIn(line, say);
  const entry = value === undefined ? undefined : shaped(ENTRY, value, '', say);
  return entry === undefined ? [] : [entry as AuditEntry];
}
