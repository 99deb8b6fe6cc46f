// Requests that do not arrive in time. The listener answers them itself, 408; one that is being streamed to a server is ended
// by whoever streams it, so that the server is let go and the answer is not written into the middle of another.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

type Streamed = { readonly request: IncomingMessage; readonly end: () => void };

const STREAMED = new WeakMap<Socket, Streamed>();

/** What to do when the rest of a request does not arrive in time. */
export function whenLate(request: IncomingMessage, end: () => void): void {
  STREAMED.set(request.socket, { request, end });
}

/** The request that is arriving on this socket is late. False when nobody streams it. */
export function endLate(socket: Socket): boolean {
  const streamed = STREAMED.get(socket);
  if (streamed === undefined || streamed.request.complete) return false;
  STREAMED.delete(socket);
  streamed.end();
  return true;
}
