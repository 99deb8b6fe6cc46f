// A pipe that nobody reads, and that is full: what a log collector that has stopped looks like to its writers.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { folderOf } from './folder.ts';
import { undo } from './undo.ts';

export type FullPipe = {
  /** The end for a writer. */
  readonly fd: number;
  /** Reads what is in it now, without what it was filled with. */
  readonly read: () => string;
};

/** A pipe with no room for a single byte. */
export function fullPipe(t: TestContext): FullPipe {
  const file = join(folderOf(t, 'pipe'), 'pipe');
  execFileSync('mkfifo', [file]);
  const reader = openSync(file, constants.O_RDWR | constants.O_NONBLOCK);
  const writer = openSync(file, constants.O_WRONLY);
  undo(t, () => [reader, writer].map(closeSync));
  assert.throws(() => {
    for (;;) writeSync(reader, Buffer.alloc(512, '.'));
  }, /EAGAIN/);
  const buffer = Buffer.alloc(1024 * 1024);
  const read = () => {
    let text = '';
    try {
      for (let n = readSync(reader, buffer); n > 0; n = readSync(reader, buffer)) text += buffer.toString('utf8', 0, n);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
    }
    return text.replace(/^\.+/, '');
  };
  return { fd: writer, read };
}
