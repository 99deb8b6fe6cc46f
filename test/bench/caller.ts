import { connect, type Socket } from 'node:net';
import { MessageReader } from './message-reader.ts';

/** No answer of a proxy on loopback takes this long: the bench fails rather than hang. */
const LONGEST_CALL_MS = 10_000;

/** A request as it is written. */
export type RequestBytes = { readonly head: Buffer; readonly body: Buffer };

type Waiting = { readonly resolve: (status: number) => void; readonly reject: (error: Error) => void };

/** One keep-alive connection that makes one call at a time. */
export class Caller {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket | undefined;
  #waiting: Waiting | undefined;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#host = hostname;
    this.#port = Number(port);
  }

  /** Sends a request and resolves with the status once the whole answer is here. Rejects when none comes. */
  call({ head, body }: RequestBytes): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket ??= this.#connect();
      // Two writes, as Python's http.client makes them. In one, a proxy that streams the body would seem far cheaper.
      this.#socket.write(head);
      this.#socket.write(body);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #connect(): Socket {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
    const reader = new MessageReader((head) => {
      // A server may end a connection after any answer; the next call opens another.
      if (/\r\nconnection: *close/i.test(head)) this.close();
      this.#waiting?.resolve(Number(head.slice(9, 12)));
      this.#waiting = undefined;
    });
    const lose = (why: string) => {
      if (this.#socket !== socket) return;
      this.close();
      this.#waiting?.reject(new Error(`${this.#host}:${this.#port}: ${why}`));
      this.#waiting = undefined;
    };
    socket.setTimeout(LONGEST_CALL_MS, () => lose(`no answer within ${LONGEST_CALL_MS / 1000} s`));
    return socket
      .on('data', (chunk) => reader.read(chunk))
      .on('error', (error) => lose(error.message))
      .on('close', () => lose('closed before its answer'));
  }
}
