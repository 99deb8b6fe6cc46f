// How long a run may be waited for.
import { RequestError } from '../errors.ts';
import type { RunResult, Ticket } from './runner.ts';

// Longer timers would fire at once.
const MOST_MS = 86_400_000;

/** The milliseconds left of the tightest of these limits, `elapsedMs` after the request arrived; undefined without any. */
export function timeLeft(elapsedMs: number, limits: readonly (number | undefined)[]): number | undefined {
  const known = limits.filter((limit) => limit !== undefined);
  return known.length === 0 ? undefined : Math.min(MOST_MS, ...known) - elapsedMs;
}

/** What a request is answered with whose time is over. */
export function deadlinePassed(): RequestError {
  return new RequestError('deadline', 'the deadline of this request passed before its turn came; it was not run');
}

/** Awaits a run, but gives it up if it still waits after `leftMs`, or when `onGone` reports that nobody listens any more. */
export async function inTime(
  ticket: Ticket,
  leftMs: number | undefined,
  onGone: (leave: () => void) => () => void,
): Promise<RunResult> {
  const timer = leftMs === undefined ? undefined : setTimeout(() => ticket.cancel(deadlinePassed()), leftMs);
  const forget = onGone(() => ticket.cancel(clientLeft()));
  try {
    return await ticket.result;
  } finally {
    clearTimeout(timer);
    forget();
  }
}

/** What is noted about a request whose client closed the connection before its turn came. */
export function clientLeft(): RequestError {
  return new RequestError('client_left', 'the client left before its turn came');
}
