import { readFile, rename, stat } from 'node:fs/promises';
import { z } from 'zod';
import { Damages } from './damage.ts';
import { appendDurably } from './durable-file.ts';
import { shaped, valueIn } from './foreign.ts';
import type { AuditEntry, AuditTrail } from './store.ts';
import { takingTurns } from './turns.ts';

const MAX_PAGE = 1000;
/** Beyond this a new file is begun and the one before the last goes. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;
const MAX_IN_MEMORY = 1000;

/** The audit trail in a file of JSON lines, or in memory when there is none. */
export class LocalAudit implements AuditTrail {
  readonly #file: string | undefined;
  readonly #inTurn = takingTurns();
  readonly #inMemory: AuditEntry[] = [];

  readonly #damages: Damages;

  constructor(file: string | undefined, damages = new Damages(() => {})) {
    this.#file = file;
    this.#damages = damages;
  }

  append(entry: AuditEntry): Promise<void> {
    const file = this.#file;
    return this.#inTurn(async () => {
      if (file === undefined) {
        this.#inMemory.push(entry);
        if (this.#inMemory.length > MAX_IN_MEMORY) this.#inMemory.shift();
        return;
      }
      const size = await stat(file).then(
        ({ size }) => size,
        () => 0,
      );
      if (size > MAX_FILE_BYTES) await rename(file, `${file}.1`);
      await appendDurably(file, `${JSON.stringify(entry)}\n`);
    });
  }

  read(limit: number): Promise<readonly AuditEntry[]> {
    const file = this.#file;
    return this.#inTurn(async () => {
      const entries =
        file === undefined
          ? this.#inMemory
          : [...(await this.#entriesIn(`${file}.1`)), ...(await this.#entriesIn(file))];
      return entries.slice(-Math.min(limit, MAX_PAGE)).reverse();
    });
  }

  async #entriesIn(file: string): Promise<AuditEntry[]> {
    const text = await readFile(file, 'utf8').catch(() => '');
    const problems: string[] = [];
    const entries = text
      .split('\n')
      .flatMap((line, i) => entryIn(line, (problem) => problems.push(`line ${i + 1}: ${problem}`)));
    this.#damages.note(file, problems);
    return entries;
  }
}

const ENTRY = z.looseObject({ id: z.string(), at: z.number() });

/** The entry in a line; none for the end of the file, and for a line that a crash cut short or another program wrote. */
export function entryIn(line: string, say: (problem: string) => void): AuditEntry[] {
  if (line === '') return [];
  const value = valueIn(line, say);
  const entry = value === undefined ? undefined : shaped(ENTRY, value, '', say);
  return entry === undefined ? [] : [entry as AuditEntry];
}
