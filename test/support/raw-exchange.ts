// Bytes to a server as they are, and everything it makes of them: for what no HTTP client would send.
import { connect } from 'node:net';

export type Exchanged = {
  /** Everything received, one character a byte. */
  readonly text: string;
  /** The statuses of the answers in it, in order, without 100. */
  readonly statuses: readonly number[];
  /** Whether the server ended the connection. */
  readonly isClosed: boolean;
};

export type Patience = {
  /** Answers to wait for; then, and after every byte, `quietMs` more. */
  readonly answers: number;
  readonly quietMs: number;
  readonly atMostMs: number;
};

/**
 * Sends bytes, one character each, and resolves once the server has ended the connection, or has sent so many answers
 * and then been quiet for a while, or patience is over. The connection is then destroyed.
 */
export function exchangeRaw(url: string, bytes: string, { answers, quietMs, atMostMs }: Patience): Promise<Exchanged> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port) });
    let text = '';
    let quiet: NodeJS.Timeout | undefined;
    const finish = (isClosed: boolean) => {
      clearTimeout(quiet);
      clearTimeout(deadline);
      socket.destroy();
      resolve({ text, statuses: statusesOf(text), isClosed });
    };
    const deadline = setTimeout(finish, atMostMs, false);
    socket.setEncoding('latin1').on('data', (piece: string) => {
      text += piece;
      clearTimeout(quiet);
      if (statusesOf(text).length >= answers) quiet = setTimeout(finish, quietMs, false);
    });
    // A reset ends it too, whether or not anything came before.
    socket.on('error', () => finish(true)).on('end', () => finish(true));
    socket.write(bytes, 'latin1');
  });
}

/** The statuses of the answers in a stream of them. Bodies are skipped by their length, so none is taken for an answer. */
export function statusesOf(text: string): number[] {
  const statuses: number[] = [];
  let at = 0;
  while (at < text.length) {
    const [head = '', status] = /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(at)) ?? [];
    if (status === undefined) break;
    if (status !== '100') statuses.push(Number(status));
    at += head.length + bodyLength(head, text.slice(at + head.length));
  }
  return statuses;
}

function bodyLength(head: string, rest: string): number {
  const length = /\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return Number(length);
  if (!/\ntransfer-encoding: *chunked/i.test(head)) return 0;
  const end = rest.indexOf('0\r\n\r\n');
  return end < 0 ? rest.length : end + 5;
}
