// What Node refuses by itself before there is a request to answer: it would send no body that says why.
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorResponse } from '../protocol/names.ts';
import type { Turns } from './pipeline.ts';

/** For a caller that neither reads its answer nor ends its side. */
const LAST_WRITES_MS = 1000;

const REFUSALS: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request did not arrive in time'],
  HPE_HEADER_OVERFLOW: [431, 'the header of the request is too large'],
};

/** Answers bytes that are no HTTP request, or not one in time, after the requests before them, and ends the connection. */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket, turns: Turns): void {
  if (error.code === 'ECONNRESET') {
    socket.destroy();
  } else if (error.code !== 'HPE_CLOSED_CONNECTION') {
    // What follows a request that said it was the last is not answered: that one is, and ends the connection (RFC 9112 section 9.6).
    const [status, reason] = REFUSALS[error.code ?? ''] ?? [400, `this is not HTTP: ${error.message}`];
    turns.end(socket, () => endWith(socket, status, reason));
  }
}

/** Answers a CONNECT after the requests before it. Node has taken its listeners off the socket: an error that nobody hears ends the process. */
export function refuseConnect(socket: Socket, turns: Turns): void {
  socket.on('error', () => undefined);
  socket.resume();
  turns.end(socket, () => endWith(socket, 501, 'not implemented: the method CONNECT'));
}

/** Answers a request that expects anything but `100-continue`. */
export function refuseExpectation(response: ServerResponse): void {
  const body = errorBody('only "expect: 100-continue" can be met');
  response.writeHead(417, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

function endWith(socket: Socket, status: number, reason: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = errorBody(reason);
  const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n\r\n${body}`);
  // What still arrives is read and dropped for a while: closing at once would reset the connection, and the answer with it.
  const cut = setTimeout(() => socket.destroy(), LAST_WRITES_MS);
  socket.once('close', () => clearTimeout(cut));
}

function errorBody(error: string): string {
  return JSON.stringify({ error } satisfies ErrorResponse);
}
