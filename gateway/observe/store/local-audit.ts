import { readFile, rename, stat } from 'node:fs/promises';
import { appendDurably } from './durable-file.ts';
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

  constructor(file: string | undefined) {
    this.#file = file;
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
        file === undefined ? this.#inMemory : [...(await entriesIn(`${file}.1`)), ...(await entriesIn(file))];
      return entries.slice(-Math.min(limit, MAX_PAGE)).reverse();
    });
  }
}

async function entriesIn(file: string): Promise<AuditEntry[]> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as AuditEntry];
    } catch {
      return []; // the end of the file, or a line that a crash cut short
    }
  });
}
