import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder, and those above it that are missing; one that is there stays as it is. Throws what the system says. Node's own
 * `recursive` never ends below a folder in which none can be made (`/proc`, up to Node 24), and calls a read-only disk ENOENT.
 */
export async function makeFolder(folder: string, mode = 0o777): Promise<void> {
  const error = await made(folder, mode);
  if (error === undefined) return;
  const above = dirname(folder);
  if (error.code !== 'ENOENT' || above === folder) throw error;
  if (!(await isFolder(above))) await makeFolder(above, mode);
  const again = await made(folder, mode);
  if (again !== undefined) throw again.code === 'ENOENT' ? noneIn(above, folder, again) : again;
}

/** Why there is no such folder now; undefined when there is. */
async function made(folder: string, mode: number): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(folder, { mode });
  } catch (error) {
    if (!(await isFolder(folder))) return error as NodeJS.ErrnoException;
  }
  return undefined;
}

function noneIn(above: string, folder: string, { code, syscall, path }: NodeJS.ErrnoException): NodeJS.ErrnoException {
  const message = `no folder can be made in ${above} (${code}, mkdir '${folder}')`;
  return Object.assign(new Error(message), { code, syscall, path });
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
