// A TCP proxy that a test puts between two parties to break what goes through it, in the manner of toxiproxy's toxics.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { undo } from './undo.ts';

/** What happens to the bytes of one direction; left out means untouched. */
export type Faults = {
  /** Every byte comes this much later; the order stays. */
  readonly latencyMs?: number;
  /** Up to this much more or less latency for each piece, evenly distributed. */
  readonly jitterMs?: number;
  readonly bytesPerSecond?: number;
  /** Nothing arrives while it lasts and nothing is lost: what was sent meanwhile arrives afterwards, as TCP would. */
  readonly blackHole?: boolean;
  /** Bytes arrive in pieces of this many, each a packet of its own. */
  readonly sliceBytes?: number;
  /** After this many bytes of a connection both its sides are closed: cleanly, or with a reset. */
  readonly cut?: { readonly afterBytes: number; readonly by: 'end' | 'reset' };
};

export type FaultProxy = {
  /** `http://127.0.0.1:port`; stands for the server. */
  readonly url: string;
  /** Puts these faults in force, for open connections too, in place of those before. `{}` heals everything. */
  readonly set: (faults: { readonly toServer?: Faults; readonly toCaller?: Faults }) => void;
  /** Resets every open connection, on both sides. */
  readonly reset: () => void;
  /** Whether new connections are taken; refused ones are reset at once. True at first. */
  readonly accept: (isAccepting: boolean) => void;
  /** How many connections are open. */
  readonly open: () => number;
};

type Direction = 'toServer' | 'toCaller';
type Piece = { readonly bytes: Buffer; readonly at: number };

/** How many bytes of one direction wait here before the sender is made to wait. */
const MAX_WAITING_BYTES = 1024 * 1024;
const TICK_MS = 5;
const RESET_APART_MS = 20;
const LARGEST_PIECE = 16 * 1024;

/** Starts a proxy in front of the server at `serverUrl`, without faults; it goes when the test ends. */
export async function faultProxy(t: TestContext, serverUrl: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(serverUrl);
  const pairs = new Set<readonly [Socket, Socket]>();
  let faults: Partial<Record<Direction, Faults>> = {};
  let isAccepting = true;
  const server = createServer({ allowHalfOpen: true }, (caller) => {
    caller.on('error', () => {});
    if (!isAccepting) return void caller.resetAndDestroy();
    const upstream = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    const pair = [caller, upstream] as const;
    pairs.add(pair);
    pipe(caller, upstream, () => faults.toServer ?? {});
    pipe(upstream, caller, () => faults.toCaller ?? {});
    for (const socket of pair) socket.once('close', () => pairs.delete(pair));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const reset = () => {
    for (const sockets of pairs) for (const socket of sockets) socket.resetAndDestroy();
  };
  undo(t, () => {
    server.close();
    reset();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set: (wanted) => {
      faults = wanted;
    },
    reset,
    accept: (wanted) => {
      isAccepting = wanted;
    },
    open: () => pairs.size,
  };
}

/** Carries what `from` sends to `to`, under the faults of the moment. */
function pipe(from: Socket, to: Socket, faults: () => Faults): void {
  const waiting: Piece[] = [];
  let bytesWaiting = 0;
  let hasEnded = false;
  let isRunning = false;
  let carried = 0;

  const deliver = async (bytes: Buffer): Promise<void> => {
    const { cut, bytesPerSecond } = faults();
    const left = cut === undefined ? bytes.length : Math.max(0, cut.afterBytes - carried);
    const part = bytes.subarray(0, left);
    carried += part.length;
    await write(to, part);
    if (bytesPerSecond !== undefined) await sleep((part.length * 1000) / bytesPerSecond);
    if (cut === undefined || carried < cut.afterBytes) return;
    // libuv reports bytes and a reset that arrive together as bytes and a clean end.
    if (cut.by === 'reset') await sleep(RESET_APART_MS);
    end(cut.by);
  };
  const end = (by: 'end' | 'reset'): void => {
    for (const socket of [from, to]) {
      if (by === 'reset') socket.resetAndDestroy();
      else socket.destroySoon();
    }
  };
  const run = async (): Promise<void> => {
    isRunning = true;
    for (let piece = waiting.shift(); piece !== undefined; piece = waiting.shift()) {
      await dueTime(piece.at, faults, to);
      for (const slice of slices(piece.bytes, faults())) await deliver(slice);
      bytesWaiting -= piece.bytes.length;
      if (bytesWaiting < MAX_WAITING_BYTES) from.resume();
    }
    isRunning = false;
    if (hasEnded && !to.destroyed) to.end();
  };
  const push = (bytes: Buffer): void => {
    waiting.push({ bytes, at: performance.now() });
    bytesWaiting += bytes.length;
    if (bytesWaiting >= MAX_WAITING_BYTES) from.pause();
    if (!isRunning) void run();
  };
  from.on('data', push);
  from.on('end', () => {
    hasEnded = true;
    if (!isRunning) void run();
  });
  // A reset is passed on as one, and so is a server that could not be reached.
  from.on('error', () => to.resetAndDestroy());
  from.on('close', () => {
    if (!hasEnded && !to.destroyed) to.resetAndDestroy();
  });
}

async function dueTime(at: number, faults: () => Faults, to: Socket): Promise<void> {
  const { latencyMs = 0, jitterMs = 0 } = faults();
  const due = at + latencyMs + (Math.random() * 2 - 1) * jitterMs;
  const wait = due - performance.now();
  if (wait > 0) await sleep(wait);
  while (faults().blackHole === true && !to.destroyed) await sleep(TICK_MS);
}

function slices(bytes: Buffer, { sliceBytes, bytesPerSecond }: Faults): Buffer[] {
  // A twentieth of a second at a time: a bandwidth is no burst a second.
  const steady = bytesPerSecond === undefined ? LARGEST_PIECE : Math.ceil(bytesPerSecond / 20);
  const size = Math.max(1, sliceBytes ?? steady);
  if (bytes.length <= size) return [bytes];
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

async function write(to: Socket, bytes: Buffer): Promise<void> {
  if (bytes.length === 0 || !to.writable) return;
  to.setNoDelay(true);
  // The callback comes once the system has taken the bytes, or with the error that ended the connection.
  await new Promise<void>((resolve) => to.write(bytes, () => resolve()));
}
