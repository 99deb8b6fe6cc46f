import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../../errors.ts';

/** Replaces a file: when this resolves the new text survives a crash and a power cut; before, the old one does. */
export async function replaceFile(file: string, text: string): Promise<void> {
  await writeAndSync(`${file}.tmp`, 'w', text).catch(async (error: unknown) => {
    await rm(`${file}.tmp`, { force: true }).catch(() => {}); // on a full disk its room is needed
    throw error;
  });
  await rename(`${file}.tmp`, file);
  await syncFolder(dirname(file)); // the new name is on disk only then
}

/** Appends to a file, on disk when this resolves. */
export async function appendDurably(file: string, text: string): Promise<void> {
  await writeAndSync(file, 'a', text);
}

/** The JSON in a file; undefined when there is none. Rejects when it cannot be read, with UserError when it is no JSON. */
export async function readJsonFile(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} is damaged: ${(error as Error).message}`, 1, { cause: error });
  }
}

async function writeAndSync(file: string, flags: 'w' | 'a', text: string): Promise<void> {
  const handle = await open(file, flags, 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
