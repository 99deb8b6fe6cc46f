import type { IncomingMessage } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { badRequest } from '../errors.ts';

/** Reads the header `x-sluice-deadline-ms`: whole milliseconds that were left when the request was sent. */
export function readDeadline(header: string | string[] | undefined): number | undefined {
  if (header === undefined) {
    return undefined;
  }
  if (typeof header !== 'string' || !/^-?\d{1,15}$/.test(header)) {
    throw badRequest('x-sluice-deadline-ms must be a whole number of milliseconds');
  }
  return Number(header);
}

/**
 * Waits until the event loop has read its sockets once more. After a freeze the requests of callers who gave up long ago
 * stand in the sockets' buffers with the end of the connection right behind them, and that is only read on the next turn.
 */
export async function hearOfLeaving(): Promise<void> {
  await turn(); // still this turn's: it comes after the reading that brought the request
  await turn();
}

/** Whether the caller has closed its connection; one that has only said that it will send no more counts too. */
export function hasLeft({ socket }: IncomingMessage): boolean {
  return socket.destroyed || socket.readableEnded;
}
