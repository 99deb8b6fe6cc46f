// The requests of one connection that are not answered yet. One at a time is served, as nginx, haproxy and Envoy do (RFC 9112
// section 9.3.2 asks for answers in order, and for no more): whoever sends a thousand in one go takes one place, not all.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * Requests that may wait behind the one that is served before nothing more is read. While the connection is read from, its
 * end is noticed, and the request that is served can be cancelled.
 */
const MOST_WAITING = 8;

type Exchange = {
  readonly response: ServerResponse;
  whenTurn: (() => void) | undefined;
  whenOver: (() => void) | undefined;
};

export class Pipeline {
  readonly #socket: Socket;
  /** Oldest first. */
  readonly #exchanges = new Map<IncomingMessage, Exchange>();
  /** Requests of this connection so far. */
  #begun = 0;
  #last: IncomingMessage | undefined;
  #isEnding = false;
  #putOff: { readonly ms: number; readonly again: () => void } | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    // Node reads on by itself, when an answer was taken for example.
    socket.on('resume', () => {
      if (this.#isFull) socket.pause();
    });
  }

  get isEmpty(): boolean {
    return this.#exchanges.size === 0;
  }

  get hasOne(): boolean {
    return this.#exchanges.size === 1;
  }

  /** Whether a request that is here whole is not answered yet. */
  get awaitsAnswers(): boolean {
    for (const request of this.#exchanges.keys()) if (request.complete) return true;
    return false;
  }

  begin(request: IncomingMessage, response: ServerResponse): void {
    this.#begun++;
    this.#last = request;
    this.#exchanges.set(request, { response, whenTurn: undefined, whenOver: undefined });
  }

  /** Does this when every earlier request is over. */
  whenTurn(request: IncomingMessage, run: () => void): void {
    const exchange = this.#exchanges.get(request);
    if (exchange === undefined || this.#exchanges.size === 1) run();
    else exchange.whenTurn = run;
    if (this.#isFull) this.#socket.pause();
  }

  /** Does this once the request is over; at once when it is. */
  whenOver(request: IncomingMessage, run: () => void): void {
    const exchange = this.#exchanges.get(request);
    if (exchange === undefined) run();
    else exchange.whenOver = run;
  }

  /** A request is answered to its last byte. */
  over(request: IncomingMessage): void {
    this.#exchanges.get(request)?.whenOver?.();
    this.#exchanges.delete(request);
  }

  /** Serves the oldest request that waits. */
  goOn(): void {
    if (this.#isEnding) return;
    const [first] = this.#exchanges.values();
    const run = first?.whenTurn;
    if (first !== undefined) first.whenTurn = undefined;
    if (!this.#isFull) this.#socket.resume();
    if (this.#exchanges.size === 1) this.#startPutOff();
    run?.();
  }

  /** No request after the one that is being answered is served. */
  end(): void {
    this.#isEnding = true;
  }

  /** What is arriving is late. False where it did not have to wait for requests before it. */
  putOff(ms: number, again: () => void): boolean {
    if (this.#exchanges.size < 2) return false;
    this.#putOff = { ms, again };
    return true;
  }

  /** The connection is gone, and with it whatever is not answered. */
  gone(): void {
    // At the end of a connection Node emits 'close' on the answer that has its turn, and not on those that wait for theirs.
    for (const { response } of this.#exchanges.values())
      if (response.socket === null && !response.writableFinished) response.emit('close');
    for (const { whenOver } of this.#exchanges.values()) whenOver?.();
    this.#exchanges.clear();
    this.#putOff = undefined;
  }

  get #isFull(): boolean {
    return this.#exchanges.size > MOST_WAITING;
  }

  /** From here on what is arriving waits for its caller alone. */
  #startPutOff(): void {
    const late = this.#putOff;
    if (late === undefined) return;
    this.#putOff = undefined;
    const [last, begun] = [this.#last, this.#begun];
    const isHere = last?.complete === false ? () => last.complete : () => this.#begun > begun;
    const timer = setTimeout(() => {
      if (!isHere()) late.again();
    }, late.ms).unref();
    this.#socket.once('close', () => clearTimeout(timer));
  }
}
