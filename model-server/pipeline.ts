import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';

/** Requests that may wait behind the one that is served before nothing more is read; the end of a connection is noticed until then. */
const MOST_WAITING = 8;

/**
 * Serves one request of a connection at a time, as the gateway does (`gateway/receive/pipeline.ts`): a caller that sends a
 * thousand without waiting for answers takes one place of the queue, not all. Must be the first hook of the app.
 */
export function serveInTurn(app: FastifyInstance): void {
  /** Of each connection what to do with its requests, oldest first: the first one is being served. */
  const turns = new WeakMap<Socket, (() => void)[]>();
  const turnsOf = (socket: Socket) => {
    const known = turns.get(socket);
    if (known !== undefined) {
      return known;
    }
    const waiting: (() => void)[] = [];
    turns.set(socket, waiting);
    socket.on('resume', () => {
      if (waiting.length > MOST_WAITING) {
        socket.pause();
      }
    });
    return waiting;
  };
  app.addHook('onRequest', ({ raw: { socket } }, reply, done) => {
    const waiting = turnsOf(socket);
    waiting.push(done);
    reply.raw.once('close', () => {
      waiting.shift();
      if (socket.destroyed || socket.writableEnded) {
        return; // nobody waits, or the answer before said that it was the last
      }
      if (waiting.length <= MOST_WAITING) {
        socket.resume();
      }
      waiting[0]?.();
    });
    if (waiting.length === 1) {
      done();
    } else if (waiting.length > MOST_WAITING) {
      socket.pause();
    }
  });
}
