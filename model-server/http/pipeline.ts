import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Requests that may wait behind the one that is served before nothing more is read; the end of a connection is noticed until then. */
const MOST_WAITING = 8;

type Exchange = { readonly request: IncomingMessage; serve: (() => void) | undefined };

/** The requests of one connection that are not answered yet, oldest first, and what ends it once they are. */
type Line = { readonly exchanges: Map<ServerResponse, Exchange>; end: (() => void) | undefined };

/**
 * Serves one request of a connection at a time, as the gateway does (`gateway/receive/http/pipeline.ts`): a caller that sends a
 * thousand without waiting for answers takes one place of the queue, not all.
 */
export class Turns {
  readonly #lines = new WeakMap<Socket, Line>();

  /** Must be called before the app has any hook. */
  rule(app: FastifyInstance): void {
    app.server.prependListener('request', (request, response) => this.begin(request, response));
    app.addHook('onRequest', ({ raw }, reply, done) => this.#whenTurn(raw.socket, reply.raw, done));
  }

  /** A request is here whose answer is written in its order. */
  begin(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const line = this.#lineOf(socket);
    line.exchanges.set(response, { request, serve: undefined });
    response.once('close', () => this.#over(socket, line, response));
    // Node's parser drops what came in one packet with it, so this answer is the last.
    if (request.headers.upgrade !== undefined) {
      response.setHeader('connection', 'close');
    }
  }

  /** Does this when every request that is here whole is answered: no other one can be made out on this connection. Only once. */
  end(socket: Socket, end: () => void): void {
    const line = this.#lineOf(socket);
    if (line.end !== undefined) {
      return;
    }
    line.end = end;
    for (const [response, { request }] of line.exchanges) {
      if (!request.complete) {
        line.exchanges.delete(response);
      }
    }
    if (line.exchanges.size === 0) {
      end();
    }
  }

  #whenTurn(socket: Socket, response: ServerResponse, serve: () => void): void {
    const { exchanges } = this.#lineOf(socket);
    const exchange = exchanges.get(response);
    if (exchange === undefined || exchanges.size === 1) {
      serve();
      return;
    }
    exchange.serve = serve;
    if (exchanges.size > MOST_WAITING) {
      socket.pause();
    }
  }

  #over(socket: Socket, { exchanges, end }: Line, response: ServerResponse): void {
    exchanges.delete(response);
    if (socket.destroyed || socket.writableEnded) {
      return; // nobody waits, or the answer before said that it was the last
    }
    if (exchanges.size <= MOST_WAITING) {
      socket.resume();
    }
    const [next] = exchanges.values();
    const run = next === undefined ? end : next.serve;
    if (next !== undefined) {
      next.serve = undefined;
    }
    run?.();
  }

  #lineOf(socket: Socket): Line {
    const known = this.#lines.get(socket);
    if (known !== undefined) {
      return known;
    }
    const line: Line = { exchanges: new Map(), end: undefined };
    this.#lines.set(socket, line);
    socket.on('resume', () => {
      if (line.exchanges.size > MOST_WAITING) {
        socket.pause();
      }
    });
    return line;
  }
}
