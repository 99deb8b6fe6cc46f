// The callers' connections: how many may be open, when one ends, and that no caller holds one, or memory, by being slow.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { errorBody } from '../../errors.ts';
import { Pipeline } from './pipeline.ts';

export type ConnectionLimits = {
  readonly maxConnections: number;
  /** How long bytes of an answer may wait for the caller to take them. */
  readonly answerTimeoutMs: number;
  /** Called with the reason for each connection that is cut or refused. */
  readonly onCut: (reason: 'too_many_connections' | 'answer_not_taken') => void;
};

type Connection = {
  readonly pipeline: Pipeline;
  /** What ends it once every earlier request is answered. */
  atRest: (() => void) | undefined;
  /** Bytes that the system has taken, as of the last sweep that found some waiting, and since when it was that many. */
  flushed: number;
  stalledAt: number | undefined;
};

/** How long the rest of a refused upload is read and thrown away, so that the caller gets to read the answer. */
const LINGER_MS = 2000;
const SWEEPS_PER_TIMEOUT = 5;

/** Knows every connection of one server, from `watch` until that server is closed. */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #open = new Map<Socket, Connection>();
  /** Those without a request, the longest idle first. */
  readonly #idle = new Set<Socket>();
  readonly #closing = new WeakSet<Socket>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** Starts to count and to sweep. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#take(socket));
    server.prependListener('request', (request, response) => this.#begin(request, response));
    const { answerTimeoutMs } = this.#limits;
    const sweep = setInterval(() => this.#sweep(performance.now()), answerTimeoutMs / SWEEPS_PER_TIMEOUT).unref();
    server.once('close', () => clearInterval(sweep));
  }

  /** Whether nothing that still arrives on it may be served (RFC 9112 section 9.6). */
  isClosing(socket: Socket): boolean {
    return this.#closing.has(socket);
  }

  /**
   * The connection ends with the answer that is being sent, which must say so. Where the request is not here whole,
   * `isUnread`, its rest is read for a while: closing at once would reset the connection, and the answer with it.
   */
  endAfterAnswer(socket: Socket, isUnread: boolean): void {
    this.#closing.add(socket);
    if (isUnread) socket.destroySoon = () => lingerAndClose(socket);
    this.#open.get(socket)?.pipeline.end();
  }

  /** Ends a connection on which no request can be made out any more, after the answers to those before. */
  refuse(socket: Socket, answer: Buffer): void {
    const connection = this.#open.get(socket);
    if (connection === undefined || this.#closing.has(socket)) return;
    this.#closing.add(socket);
    const end = () => {
      socket.end(answer);
      lingerAndClose(socket);
    };
    if (connection.pipeline.awaitsAnswers) connection.atRest = end;
    else end();
  }

  /** Whether no earlier request of its connection is unanswered: the usual case. */
  isTurnOf({ socket }: IncomingMessage): boolean {
    return this.#open.get(socket)?.pipeline.hasOne ?? true;
  }

  /** Does this when every earlier request of its connection is over. Once for each request. */
  whenTurn(request: IncomingMessage, run: () => void): void {
    const pipeline = this.#open.get(request.socket)?.pipeline;
    if (pipeline === undefined) run();
    else pipeline.whenTurn(request, run);
  }

  /** Does this once the request is over: answered to its last byte, or its connection gone. Once for each request. */
  whenOver(request: IncomingMessage, run: () => void): void {
    const pipeline = this.#open.get(request.socket)?.pipeline;
    if (pipeline === undefined) run();
    else pipeline.whenOver(request, run);
  }

  /**
   * The request that is arriving is late. Where it had to wait for earlier ones, it is looked at again, once it has had
   * `ms` of its own; true then.
   */
  putOff(socket: Socket, ms: number, again: () => void): boolean {
    return this.#open.get(socket)?.pipeline.putOff(ms, again) ?? false;
  }

  #take(socket: Socket): void {
    const isFull = this.#open.size >= this.#limits.maxConnections;
    if (isFull) this.#limits.onCut('too_many_connections');
    if (isFull && !this.#cutLongestIdle()) return void this.#turnAway(socket);
    this.#open.set(socket, { pipeline: new Pipeline(socket), atRest: undefined, flushed: 0, stalledAt: undefined });
    this.#idle.add(socket);
    socket.once('close', () => this.#forget(socket));
  }

  #turnAway(socket: Socket): void {
    this.#closing.add(socket);
    socket.on('error', () => {});
    socket.write(FULL);
    socket.destroySoon();
  }

  /** A caller at rest loses a connection rather than a new one a request; with all at work the new one is refused. */
  #cutLongestIdle(): boolean {
    for (const socket of this.#idle) {
      this.#closing.add(socket);
      this.#forget(socket);
      socket.destroy();
      return true;
    }
    return false;
  }

  #begin(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = this.#open.get(socket);
    if (connection === undefined) return;
    this.#idle.delete(socket);
    connection.pipeline.begin(request, response);
    response.once('close', () => this.#end(socket, connection, request));
  }

  #end(socket: Socket, connection: Connection, request: IncomingMessage): void {
    const { pipeline } = connection;
    pipeline.over(request);
    if (!this.#open.has(socket)) return;
    if (connection.atRest !== undefined && !pipeline.awaitsAnswers) connection.atRest();
    else if (!request.complete && !this.#closing.has(socket)) this.#endOvertaken(socket, request);
    else if (pipeline.isEmpty) this.#idle.add(socket);
    else pipeline.goOn();
  }

  /** An answer was whole before its request was; what is still on the way is no new request. */
  #endOvertaken(socket: Socket, request: IncomingMessage): void {
    this.#closing.add(socket);
    request.resume();
    lingerAndClose(socket);
  }

  #forget(socket: Socket): void {
    const pipeline = this.#open.get(socket)?.pipeline;
    this.#open.delete(socket);
    this.#idle.delete(socket);
    pipeline?.gone();
  }

  #sweep(now: number): void {
    for (const [socket, connection] of this.#open) {
      const { writableLength } = socket;
      const flushed = socket.bytesWritten - writableLength;
      if (writableLength === 0) connection.stalledAt = undefined;
      else if (connection.stalledAt === undefined || connection.flushed !== flushed) {
        connection.stalledAt = now;
        connection.flushed = flushed;
      } else if (now - connection.stalledAt >= this.#limits.answerTimeoutMs) {
        this.#limits.onCut('answer_not_taken');
        socket.resetAndDestroy(); // what waits in the system's buffers goes too
      }
    }
  }
}

/** An answer that the gateway writes itself, where there is no reply to send it with. The connection ends with it. */
export function rawAnswer(status: string, message: string, header = ''): Buffer {
  const body = errorBody(message);
  const head = `HTTP/1.1 ${status}\r\n${header}content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

const FULL = rawAnswer('503 Service Unavailable', 'too many connections; try again', 'retry-after: 1\r\n');

function lingerAndClose(socket: Socket): void {
  socket.end();
  const cut = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(cut));
}
