// Where log lines go. What takes them may stop to do so: a reader of a pipe, or a disk that is full. Neither must stop or end
// the process. pino's own destination waits in its write until a pipe has room, and neither a request nor SIGTERM is seen
// meanwhile; on a full disk it ends the process.
import { fstatSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

/** Bytes of lines that may wait for a reader; what comes on top is dropped and counted. */
const MOST_WAITING = 1024 * 1024;

export type Output = Writable & { readonly fd: number };

/** A destination for pino that never waits and never throws. */
export class LogOutput {
  dropped = 0;

  readonly #stream: Output;
  readonly #isFile: boolean;
  readonly #onTaken: (dropped: number) => void;
  /** Dropped since lines were last taken. */
  #lately = 0;

  /** `onTaken` hears how many lines were dropped, when lines are taken again. */
  constructor(stream: Output, onTaken: (dropped: number) => void) {
    this.#stream = stream;
    this.#isFile = isFile(stream.fd);
    this.#onTaken = onTaken;
  }

  write(line: string): void {
    if (this.#isFile) return void this.#append(line);
    // Node's stream keeps what a pipe does not take, without a bound of its own.
    if (this.#stream.writableLength + line.length <= MOST_WAITING) return void this.#stream.write(line);
    if (this.#lately === 0) this.#stream.once('drain', () => this.#report());
    this.#drop();
  }

  /** Not by Node's stream for files, which writes nothing more after its first error. */
  #append(line: string): void {
    try {
      writeSync(this.#stream.fd, line);
    } catch {
      return void this.#drop();
    }
    if (this.#lately > 0) this.#report();
  }

  #drop(): void {
    this.dropped++;
    this.#lately++;
  }

  #report(): void {
    const dropped = this.#lately;
    this.#lately = 0;
    this.#onTaken(dropped);
  }
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}

/** Resolves when the streams have handed everything on, or after this time: nobody waits for a reader that has stopped. */
export async function handedOn(streams: readonly Writable[], withinMs: number): Promise<void> {
  const writes = streams
    .filter(({ writableLength }) => writableLength > 0)
    .map((stream) => new Promise<void>((resolve) => stream.write('', () => resolve())));
  if (writes.length > 0) await Promise.race([Promise.all(writes), sleep(withinMs)]);
}
