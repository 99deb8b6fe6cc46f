// A file that is to hold what its owner knows. What is in memory is not what is on disk: this says what the disk has, and writes the
// rest again at every `save`.
import { takingTurns } from '../turns.ts';
import { replaceFile } from './durable-file.ts';

/** One value in a file as JSON, written whole; without a file every write succeeds. `T` is never changed in place. */
export class KeptFile<T> {
  readonly file: string | undefined;
  /** Work on the value and its file, one after the other. */
  readonly inTurn = takingTurns();
  readonly #jsonOf: (value: T) => unknown;
  #onDisk: T;
  /** False after a write that failed, for the file may have the old text or the new one, and of a damaged file. */
  #isSure = true;
  #trouble: string | undefined;

  constructor(file: string | undefined, empty: T, jsonOf: (value: T) => unknown) {
    this.file = file;
    this.#onDisk = empty;
    this.#jsonOf = jsonOf;
  }

  /** The value that was written last, or read at the start. */
  get onDisk(): T {
    return this.#onDisk;
  }

  /** Why the last write failed; undefined while all is well. */
  trouble(): string | undefined {
    return this.#trouble;
  }

  /** What was read from the file; one that is not whole is written anew by the next `save`. */
  found(value: T, isWhole = true): void {
    [this.#onDisk, this.#isSure] = [value, isWhole];
  }

  /** Has the value that is known at its turn on disk when it resolves. Rejects when the disk fails. */
  save(known: () => T): Promise<void> {
    return this.inTurn(async () => {
      const value = known();
      if (value !== this.#onDisk || !this.#isSure) await this.write(value);
    });
  }

  /** Writes a value, within a turn. Durable when it resolves. Rejects when the disk fails. */
  async write(value: T): Promise<void> {
    try {
      if (this.file !== undefined) await replaceFile(this.file, `${JSON.stringify(this.#jsonOf(value), null, 1)}\n`);
    } catch (error) {
      this.#isSure = false;
      this.#trouble = `the disk does not take ${this.file}: ${(error as Error).message}`;
      throw error;
    }
    [this.#onDisk, this.#isSure, this.#trouble] = [value, true, undefined];
  }
}
