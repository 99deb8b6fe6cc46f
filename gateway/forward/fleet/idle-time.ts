// How long a server keeps a connection that nothing is sent on. A request that leaves while the server is closing one is lost,
// and what may do harm twice is not sent again: so the gateway must be the first to close. Few servers say how long
// (`Keep-Alive: timeout=N`), and something between may be shorter: it is found out with a connection that carries no request.
import { type buildConnector, Client, type Pool } from 'undici';

const PROBE = { method: 'GET', headers: { 'user-agent': 'sluice-probe' } } as const;
const ANSWER_WITHIN_MS = 1000;
/** A server that keeps a connection for this long is not watched further. */
const WATCHED_MS = 6000;
/** How finely it is looked at. */
const LOOK_MS = 25;
/** Closed sooner than this after an answer, it was closed because of the answer. */
const AT_ONCE_MS = 30;

/** Before anything is known, and of a server that has broken one off. */
const CAUTIOUS_MS = 500;
const USUAL_MS = 4000;
/** The most of a server that says it keeps them longer. */
const LONGEST_MS = 60_000;
/** The gateway closes this much sooner than the server, or a fifth sooner where that is more: packets take time, and timers are late. */
const MARGIN_MS = 500;
/** Connections that could be kept for less than this are not worth keeping. */
const SHORTEST_MS = 100;

/** Milliseconds for which a server keeps an idle connection, up to `WATCHED_MS`; undefined while that is not known. */
export type IdleTime = number | undefined;

/** How a pool keeps its connections to a server with this idle time. */
export function keeping(
  idle: IdleTime,
): Pick<Pool.Options, 'pipelining' | 'keepAliveTimeout' | 'keepAliveMaxTimeout' | 'keepAliveTimeoutThreshold'> {
  const safeMs = safeMsOf(idle);
  if (safeMs < SHORTEST_MS) return { pipelining: 0 }; // closes a connection after its request
  return {
    pipelining: 1,
    keepAliveTimeout: safeMs,
    // What the server says itself: never longer than what was seen, and sooner by the margin.
    keepAliveMaxTimeout: idle !== undefined && idle > WATCHED_MS - MARGIN_MS ? LONGEST_MS : safeMs,
    keepAliveTimeoutThreshold: MARGIN_MS,
  };
}

/** For how long an idle connection is used again, in milliseconds. */
export function safeMsOf(idle: IdleTime): number {
  if (idle === undefined) return CAUTIOUS_MS;
  return Math.min(USUAL_MS, Math.floor(idle - Math.max(MARGIN_MS, idle / 5)));
}

/**
 * Opens a connection, asks for a path, whatever the status of the answer, and waits until the server closes it. Undefined when there is no
 * answer, when the answer ended the connection, or when `signal` aborts.
 */
export async function idleTimeOf(
  { origin, path }: { readonly origin: string; readonly path: string },
  connect: buildConnector.connector,
  signal: AbortSignal,
): Promise<IdleTime> {
  const client = new Client(origin, {
    connect,
    keepAliveTimeout: WATCHED_MS,
    keepAliveMaxTimeout: WATCHED_MS,
    keepAliveTimeoutThreshold: 1,
    headersTimeout: ANSWER_WITHIN_MS,
    bodyTimeout: ANSWER_WITHIN_MS,
  });
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(2 * ANSWER_WITHIN_MS)]);
    const { body } = await client.request({ ...PROBE, path, signal: within });
    await body.dump();
    const since = performance.now();
    const openAt = await lastOpenAt(client, signal);
    return openAt !== undefined && openAt - since > AT_ONCE_MS ? openAt - since : undefined;
  } catch {
    return undefined;
  } finally {
    await client.destroy();
  }
}

/**
 * Waits for the end of a connection: when it was last known to be open, by `performance.now()`; undefined after the signal.
 * Never too late, however busy this process is: what a turn of the event loop began with, and its look at the sockets did not
 * refute, held when it began.
 */
function lastOpenAt(client: Client, signal: AbortSignal): Promise<number | undefined> {
  return new Promise((resolve) => {
    let openAt = performance.now();
    let isOver = false;
    const looks = setInterval(() => {
      const began = performance.now();
      setImmediate(() => {
        if (!isOver) openAt = began;
      });
    }, LOOK_MS).unref();
    const end = (at: number | undefined) => {
      isOver = true;
      clearInterval(looks);
      resolve(at);
    };
    client.once('disconnect', () => end(openAt));
    signal.addEventListener('abort', () => end(undefined), { once: true });
    if (signal.aborted) end(undefined);
    else if (!client.stats.connected) end(openAt);
  });
}
