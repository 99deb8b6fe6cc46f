// Whether a policy file is whole, or a piece of one that is still being written: half a policy may well be valid.
import { open } from 'node:fs/promises';

const END_MARK = /^end:[ \t]+true[ \t]*(#.*)?$/;
const IGNORED = /^\s*(#.*)?$/;
/** Bytes at the end of a file in which the mark is looked for. */
const TAIL_BYTES = 512;

/** Whether the last line of policy text that is neither blank nor a comment is `end: true`: then nothing of it is missing. */
export function hasEndMark(text: string): boolean {
  // Line by line: one regular expression for all of them would try every way to part blank lines, 2^n of them.
  const last = text.split(/\r?\n/).findLast((line) => !IGNORED.test(line));
  return last !== undefined && END_MARK.test(last);
}

/** The same for a file, by its last 512 bytes; false when it cannot be read. */
export async function fileHasEndMark(file: string): Promise<boolean> {
  const handle = await open(file).catch(() => undefined);
  if (handle === undefined) return false;
  try {
    const { size } = await handle.stat();
    const length = Math.min(size, TAIL_BYTES);
    const { buffer } = await handle.read(Buffer.alloc(length), 0, length, size - length);
    return hasEndMark(buffer.toString('utf8'));
  } catch {
    return false;
  } finally {
    await handle.close();
  }
}

/** A writer that stops for a moment between two pieces is still writing: half a second was seen. */
const PAUSE_MS = 1000;
/** A file that has changed much waits longer: it may be a piece, and takes longer to write. */
const PAUSE_FOR_ALL_MS = 4000;

/** What is seen of a file at one look; undefined when there is none. */
export type Shape = { readonly id: string; readonly size: number } | undefined;

/**
 * How a file came to be as it is. Another file under the same name came by renaming, and so at once; one that grows or shrinks
 * under the eyes of the watcher, or that was empty or missing before, is being written in place.
 */
export class Writing {
  /** Of the file that was handled last. */
  #handledSize: number | undefined;
  #seen: Shape;
  #isInPlace = false;

  constructor(handled: Shape) {
    this.#seen = handled;
    this.#handledSize = handled?.size;
  }

  /** The file looks different than at the last look. */
  changed(now: Shape): void {
    const before = this.#seen;
    this.#seen = now;
    const isReplaced = before !== undefined && before.size > 0 && now !== undefined && before.id !== now.id;
    if (!isReplaced) this.#isInPlace = true;
  }

  /** The file was loaded, or refused: what comes next is another change. */
  handled(): void {
    this.#handledSize = this.#seen?.size;
    this.#isInPlace = false;
  }

  /** How long the file must stand still before it is taken for whole; 0 for one that came at once. Milliseconds. */
  get waitMs(): number {
    if (!this.#isInPlace) return 0;
    const [before, now] = [this.#handledSize ?? 0, this.#seen?.size ?? 0];
    if (before === 0 || now === 0) return PAUSE_MS;
    return PAUSE_MS + (PAUSE_FOR_ALL_MS * Math.abs(now - before)) / Math.max(now, before);
  }
}
