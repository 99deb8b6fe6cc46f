// One process at a time in a data folder. The lock is a listening socket: the system drops it with the process, however that
// ends, while a file with a process id would outlive it, and ids come back (in a container always the same).
import { createHash, randomUUID } from 'node:crypto';
import { realpath, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../errors.ts';

/** The longest path of a socket that every system takes. */
const MAX_PATH = 100;
/** Two processes that start in the same moment may both find a dead lock: each looks again after this long. */
const SETTLE_MS = 30;
const ASK_MS = 500;

/** Locks an existing folder for this process. Throws UserError when another holds it. Returns how to unlock. */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = await lockPath(folder);
  if ((await holderOf(path)) !== undefined) throw inUse(folder);
  await rm(path, { force: true });
  const token = randomUUID();
  const server = await listen(path, token).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE') throw inUse(folder);
    throw new UserError(`the data folder ${folder} cannot be locked: ${error.message}`, 1, { cause: error });
  });
  await sleep(SETTLE_MS);
  if ((await holderOf(path)) !== token) {
    server.close();
    throw inUse(folder);
  }
  return () => new Promise((resolve) => server.close(() => resolve()));
}

function inUse(folder: string): UserError {
  return new UserError(
    `the data folder ${folder} is in use by another process; stop it, or choose another with --data`,
  );
}

async function lockPath(folder: string): Promise<string> {
  const real = await realpath(folder);
  const inside = join(real, 'lock');
  if (Buffer.byteLength(inside) <= MAX_PATH) return inside;
  return join(tmpdir(), `sluice-${createHash('sha256').update(real).digest('hex').slice(0, 16)}.lock`);
}

/** The token of whoever holds the lock; undefined when no one answers. */
function holderOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    // A frozen process holds its lock too: it accepts, and says nothing.
    socket.setTimeout(ASK_MS, () => resolve('silent')).setEncoding('utf8');
    socket.on('data', (part) => {
      text += part;
    });
    socket.on('end', () => resolve(text)).on('error', () => resolve(undefined));
    socket.on('close', () => socket.destroy());
  });
}

function listen(path: string, token: string): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).end(token));
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(path, () => resolve(server.unref()));
  });
}
