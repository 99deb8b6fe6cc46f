// The files of the data folder as they are read: each may be damaged, and then the original is set aside before it is replaced.
import { copyFile, link, readFile, stat } from 'node:fs/promises';
import { UserError } from '../../errors.ts';
import type { Damages } from '../damage.ts';
import { type Reader, type Say, valueIn } from '../foreign.ts';

/** Far more than any of these files grows to. */
const MAX_BYTES = 64 * 1024 * 1024;

/** What of a JSON file is good; undefined when there is no file. Throws UserError for one that the system does not let us read. */
export async function readDataFile<T>(file: string, reader: Reader<T>, damages: Damages): Promise<T | undefined> {
  const problems: string[] = [];
  const say: Say = (problem) => problems.push(problem);
  const text = await textIn(file, say);
  if (text === undefined) return undefined;
  const value = reader(problems.length > 0 ? undefined : valueIn(text, say), say, text);
  damages.note(file, problems, problems.length > 0 ? await setAside(file) : undefined);
  return value;
}

/** Another name for a damaged file, so that nothing of it is lost when it is replaced; undefined when that is not possible. */
async function setAside(file: string): Promise<string | undefined> {
  try {
    const { mtime } = await stat(file);
    const copy = `${file}.damaged-${mtime.toISOString().replace(/[-:]/g, '')}`;
    await link(file, copy).catch((error: NodeJS.ErrnoException) =>
      error.code === 'EEXIST' ? undefined : copyFile(file, copy),
    );
    return copy;
  } catch {
    return undefined;
  }
}

/** The text of a file; undefined when there is none. */
async function textIn(file: string, say: Say): Promise<string | undefined> {
  try {
    const { size } = await stat(file);
    if (size > MAX_BYTES) {
      say(`it has ${size} bytes, more than ${MAX_BYTES}`);
      return '';
    }
    return decoded(await readFile(file), say);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UserError(`${file} cannot be read: ${(error as Error).message}`, 1, { cause: error });
  }
}

function decoded(bytes: Buffer, say: Say): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    say('it is no UTF-8 text');
    return '';
  }
}
