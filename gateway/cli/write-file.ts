// Files that commands write for people: whole or not at all, and never over an edit that the command did not see.
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { UserError } from '../errors.ts';

/** Errors that forbid replacing a file, but not writing into it: it is a mount, or its folder belongs to somebody else. */
const IN_PLACE = new Set(['EBUSY', 'EACCES', 'EPERM', 'EROFS', 'EXDEV']);

/** Writes a file whole: a crash or a full disk leaves what was there. Throws UserError. */
export function writeWhole(file: string, text: string): void {
  try {
    const before = statSync(file, { throwIfNoEntry: false });
    if (before?.isFile() === false)
      writeFileSync(file, text); // a pipe or a terminal
    else replace(before === undefined ? file : realpathSync(file), text, before);
  } catch (error) {
    throw new UserError(`${file} cannot be written: ${(error as Error).message}`, 1, { cause: error });
  }
}

/** The same for a file that was read as `before`. Throws UserError when someone has changed it since. */
export function writeOver(file: string, before: string, text: string): void {
  // Decoded as policies are read, without a byte order mark.
  if (new TextDecoder().decode(readFileSync(file)) !== before)
    throw new UserError(`${file} was changed meanwhile, and is left as it is: run the command again`);
  writeWhole(file, text);
}

function replace(file: string, text: string, before: Stats | undefined): void {
  const beside = `${file}.${process.pid}.tmp`;
  try {
    writeBeside(beside, text, before);
    renameSync(beside, file);
  } catch (error) {
    rmSync(beside, { force: true });
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!IN_PLACE.has(code)) throw error;
    writeFileSync(file, text);
  }
}

function writeBeside(beside: string, text: string, before: Stats | undefined): void {
  const descriptor = openSync(beside, 'wx', before?.mode ?? 0o666);
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  if (before === undefined) return;
  chmodSync(beside, before.mode);
  if (process.getuid?.() === 0) chownSync(beside, before.uid, before.gid);
}
