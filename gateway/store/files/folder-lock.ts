// One process at a time in a data folder. The lock is a listening socket: whoever connects finds out whether its process
// lives, while a file with a process id would outlive it, and ids come back (in a container always the same).
import { createHash, randomBytes } from 'node:crypto';
import { link, readdir, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../errors.ts';
import { makeFolder } from '../../policy/make-folder.ts';

/** The longest path of a socket that every system takes. */
const MAX_PATH = 100;
/** A lock that another moved away, taking it for the dead one before it, is noticed after this long. */
const SETTLE_MS = 30;
const ASK_MS = 500;
const TRIES = 5;

/** Locks an existing folder for this process. Throws UserError when another holds it. Returns how to unlock. */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const place = await lockPlace(folder);
  const token = randomBytes(6).toString('hex');
  const [own, lock] = [join(place, `lock.${token}`), join(place, 'lock')];
  const server = await listen(own, token).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(
      `the data folder ${folder} cannot be locked: ${error.message}; give the gateway a folder that it may write to with --data`,
      1,
      { cause: error },
    );
  });
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  if (!(await take(own, lock, token))) {
    await close(); // which removes its own path, and no one else's
    throw new UserError(
      `the data folder ${folder} is in use by another process; stop it, or choose another with --data`,
    );
  }
  await removeDead(place, token);
  return async () => {
    // A disk that takes nothing keeps a lock that nobody answers at, which the next process replaces.
    if ((await holderOf(lock)) === token) await rm(lock, { force: true }).catch(() => {});
    await close();
    // Empty only where the lock has a folder of its own, unless another process is at it by now.
    if (place !== (await realpath(folder).catch(() => place))) await rmdir(place).catch(() => {});
  };
}

/** Makes the socket the lock, in place of a dead one. Of several that try at once one succeeds. */
async function take(own: string, lock: string, token: string): Promise<boolean> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (await linked(own, lock)) {
      await sleep(SETTLE_MS);
      return (await holderOf(lock)) === token;
    }
    if ((await holderOf(lock)) !== undefined) return false;
    // Renaming takes it away from everyone else who found it dead, but it may be a new one by now.
    const moved = `${own}.dead`;
    await rename(lock, moved).catch(() => {});
    if ((await holderOf(moved)) !== undefined) {
      await linked(moved, lock);
      await rm(moved, { force: true });
      return false;
    }
    await rm(moved, { force: true });
  }
  return false;
}

async function linked(from: string, to: string): Promise<boolean> {
  return link(from, to).then(
    () => true,
    () => false,
  );
}

/** Sockets of processes that were killed. */
async function removeDead(place: string, token: string): Promise<void> {
  for (const name of await readdir(place))
    if (name.startsWith('lock.') && !name.includes(token)) await rm(join(place, name), { force: true });
}

/** Where the lock lies: in the folder, or in one of its own where that path would be too long. */
async function lockPlace(folder: string): Promise<string> {
  const real = await realpath(folder);
  if (Buffer.byteLength(real) + '/lock.0123456789ab.dead'.length <= MAX_PATH) return real;
  const place = join(tmpdir(), `sluice-${createHash('sha256').update(real).digest('hex').slice(0, 16)}`);
  await makeFolder(place, 0o700);
  return place;
}

/** The token of whoever holds the lock; undefined when no one answers. */
function holderOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let text = '';
    const answer = (holder: string | undefined) => {
      resolve(holder);
      socket.destroy();
    };
    // A frozen process holds its lock too: it is connected to, and says nothing.
    socket.setTimeout(ASK_MS, () => answer('silent')).setEncoding('utf8');
    socket.on('data', (part) => {
      text += part;
    });
    socket.on('end', () => answer(text)).on('error', () => answer(undefined));
  });
}

function listen(path: string, token: string): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).end(token));
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(path, () => resolve(server.unref()));
  });
}
