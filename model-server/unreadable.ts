// What Node refuses by itself before there is a request to answer: it would send no body that says why.
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorResponse } from './protocol.ts';

/** For a caller that neither reads its answer nor ends its side. */
const LAST_WRITES_MS = 1000;

const REFUSALS: Readonly<Record<string, readonly [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the request did not arrive in time'],
  HPE_HEADER_OVERFLOW: [431, 'the header of the request is too large'],
};

/** Answers bytes that are no HTTP request, or not one in time, and ends the connection. */
export function refuseUnreadable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, reason] = REFUSALS[error.code ?? ''] ?? [400, `this is not HTTP: ${error.message}`];
  const body = errorBody(reason);
  const head = `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close`;
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${head}\r\n\r\n${body}`);
  socket.setTimeout(LAST_WRITES_MS, () => socket.destroy());
}

/** Answers a request that expects anything but `100-continue`. */
export function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const body = errorBody('only "expect: 100-continue" can be met');
  response.writeHead(417, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

function errorBody(error: string): string {
  return JSON.stringify({ error } satisfies ErrorResponse);
}
