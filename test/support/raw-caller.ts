// A caller that sends what it likes when it likes, for what depends on time.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { statusesOf } from './raw-exchange.ts';
import { undo } from './undo.ts';

export type RawCaller = {
  readonly socket: Socket;
  readonly send: (bytes: string) => void;
  /** Everything received so far, one character a byte. */
  readonly text: () => string;
  /** The statuses of the answers in it. */
  readonly statuses: () => number[];
  /** How the connection ended, once it has. */
  readonly ended: () => 'closed' | 'reset' | undefined;
};

/** Connects to a server; the connection goes when the test ends. */
export async function rawCaller(t: TestContext, url: string): Promise<RawCaller> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  undo(t, () => socket.destroy());
  const pieces: string[] = [];
  let ended: 'closed' | 'reset' | undefined;
  socket.setEncoding('latin1').on('data', (piece: string) => pieces.push(piece));
  socket.on('end', () => {
    ended ??= 'closed';
  });
  socket.on('error', () => {
    ended = 'reset';
  });
  await once(socket, 'connect');
  return {
    socket,
    send: (bytes) => void socket.write(bytes, 'latin1'),
    text: () => pieces.join(''),
    statuses: () => statusesOf(pieces.join('')),
    ended: () => ended,
  };
}

/** The head and body of an inference request to model `m`, as bytes. */
export function inferBytes(body: string, headers: readonly string[] = [], declared = body.length): string {
  const lines = ['POST /v2/models/m/infer HTTP/1.1', 'Host: sluice.test', `Content-Length: ${declared}`, ...headers];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
