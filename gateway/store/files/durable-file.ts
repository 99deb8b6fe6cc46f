import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

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
