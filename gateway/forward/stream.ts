// One request of protocol http, streamed both ways: nothing is held back, and a cut answer never looks whole. As with send,
// what goes wrong before the first byte is a Fault for the caller; after it the caller's connection is cut.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PassThrough } from 'node:stream';
import type { Dispatcher } from 'undici';
import { errorBody } from '../errors.ts';
import type { Answer, Facts, Fault, OnLeave } from '../flow.ts';
import { classOfFault, readAnswer } from './dialect.ts';
import { type ResponseHeaders, whyUnusable } from './exchange.ts';
import { FAULTS } from './faults.ts';
import { DEADLINE_HEADER, requestHeaders, responseHeaders } from './headers.ts';
import { noteHealth } from './note-health.ts';
import type { Placement } from './placement.ts';
import type { Seat } from './seat.ts';
import type { Tap } from './tap.ts';

/** What a streamed request is made of, beside its facts. */
export type Streams = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Told with the answer. */
  readonly marks: Readonly<Record<string, string>>;
  /** The path below which the server's paths appear to callers. */
  readonly prefix: string;
  /** Bytes of a request body; beyond it the caller is refused. */
  readonly bodyLimit: number;
  /** Called before the body is read: a caller may wait to be asked for it. */
  readonly askForBody: () => void;
  /** Hears of every piece, where a copy is to follow. */
  readonly tap?: Tap | undefined;
};

/** Streams a request to a server of this version and its answer to the caller. Settles when that has ended. */
export function stream(
  placement: Placement,
  path: string,
  facts: Facts,
  streams: Streams,
  onLeave: OnLeave,
): Promise<Answer> {
  return new Promise((settle) => new Streaming(placement, facts, streams, settle).start(path, onLeave));
}

class Streaming implements Dispatcher.DispatchHandler {
  readonly #placement: Placement;
  readonly #facts: Facts;
  readonly #streams: Streams;
  readonly #settle: (answer: Answer) => void;
  readonly #start = performance.now();
  #path = '';
  readonly #tried: Seat[] = [];
  #upload: PassThrough | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #isSent = false;
  #status = 0;
  #fault: Fault | undefined;
  #isSettled = false;

  constructor(placement: Placement, facts: Facts, streams: Streams, settle: (answer: Answer) => void) {
    this.#placement = placement;
    this.#facts = facts;
    this.#streams = streams;
    this.#settle = settle;
  }

  start(path: string, onLeave: OnLeave): void {
    const seat = this.#placement.hasRoom() ? this.#placement.choose(this.#start, Math.random, []) : undefined;
    if (seat === undefined) return void this.#settle(this.#answer('shed'));
    this.#placement.budget.deposit();
    this.#placement.inFlight++;
    this.#deadline = setTimeout(() => this.#give('deadline'), this.#placement.version.timeoutMs);
    onLeave(() => this.#give('client_left'));
    this.#path = path;
    this.#ask(seat);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#isSent = true;
    if (this.#isSettled) controller.abort(new Error('abandoned'));
    else if (this.#upload !== undefined) this.#send(this.#upload);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    if (status < 200 || this.#isSettled) return; // 1xx: the real one follows
    const { request, response, marks, prefix, tap } = this.#streams;
    const isBodiless = request.method === 'HEAD' || status === 204 || status === 304;
    const isRedirect = status >= 300 && status < 400;
    if (!isBodiless && !isRedirect && whyUnusable(status, headers) !== undefined) {
      this.#give('broken');
      return;
    }
    this.#status = status;
    tap?.answered(headers);
    this.#noteHead(status);
    const { location } = headers;
    const moved = typeof location === 'string' ? { location: this.#outside(location, prefix) } : {};
    response.writeHead(status, {
      ...responseHeaders(headers, 'http'),
      ...moved,
      'x-request-id': this.#facts.id,
      ...marks,
    });
    response.flushHeaders();
    response.on('drain', () => {
      this.#idle?.refresh();
      controller.resume();
    });
    this.#idle = setTimeout(() => this.#give('broken'), this.#placement.version.idleTimeoutMs);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isSettled) return;
    this.#idle?.refresh();
    this.#streams.tap?.received(chunk);
    if (!this.#streams.response.write(chunk)) controller.pause(); // the caller reads slower than the server writes
  }

  onResponseEnd(): void {
    if (this.#isSettled) return;
    this.#streams.response.end();
    this.#finish();
  }

  onResponseError(): void {
    if (this.#isSettled) return;
    if (this.#isSent) return void this.#give('broken');
    // Nothing of the request has left: another server may have it, body and all.
    const seat = this.#seat;
    const again = this.#placement.choose(performance.now(), Math.random, this.#tried);
    if (seat === undefined || again === undefined || !this.#placement.budget.withdraw())
      return void this.#give('unreachable');
    seat.server.inFlight--;
    noteHealth(seat, { kind: 'fault', fault: 'unreachable', isStarted: false }, this.#start, this.#timeoutMs);
    this.#ask(again);
  }

  get #seat(): Seat | undefined {
    return this.#tried.at(-1);
  }

  get #timeoutMs(): number {
    return this.#placement.version.timeoutMs;
  }

  #ask(seat: Seat): void {
    this.#tried.push(seat);
    seat.server.inFlight++;
    const { request } = this.#streams;
    const { 'content-length': length, 'transfer-encoding': encoding, connection } = request.headers;
    const hasBody = (length !== undefined && length !== '0') || encoding !== undefined;
    // A stream of its own, for undici destroys what it sends from and that must not be the caller's socket.
    this.#upload = hasBody ? new PassThrough() : undefined;
    const headers = requestHeaders(this.#facts.rawHeaders, connection, this.#facts.id, 'http');
    if (length !== undefined) headers.push('content-length', length);
    headers.push(DEADLINE_HEADER, String(Math.max(1, Math.ceil(this.#timeoutMs - (performance.now() - this.#start)))));
    const method = (request.method ?? 'GET') as Dispatcher.HttpMethod;
    seat.server.pool.dispatch({ path: this.#path, method, headers, body: this.#upload ?? null }, this);
  }

  /** Passes the body on as it comes in, once there is a connection. */
  #send(upload: PassThrough): void {
    const { request, bodyLimit, askForBody, tap } = this.#streams;
    askForBody();
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      tap?.sent(chunk);
      if (bytes > bodyLimit) this.#give('too_large');
    });
    request.pipe(upload).on('error', () => {}); // what it means is told by onResponseError
  }

  /** Ends it early: as an error when nothing has been answered yet, by cutting the caller off otherwise. */
  #give(fault: Fault): void {
    if (this.#isSettled) return;
    this.#fault = fault;
    const hasBegun = this.#status !== 0;
    const seat = this.#seat;
    if (!hasBegun && seat) noteHealth(seat, { kind: 'fault', fault, isStarted: false }, this.#start, this.#timeoutMs);
    this.#finish();
    this.#controller?.abort(new Error(fault));
    if (hasBegun) this.#streams.response.destroy();
  }

  #finish(): void {
    this.#isSettled = true;
    clearTimeout(this.#deadline);
    clearTimeout(this.#idle);
    if (this.#seat !== undefined) this.#seat.server.inFlight--;
    this.#placement.inFlight--;
    this.#settle(this.#answer(this.#fault));
  }

  /** A redirect as callers can follow it: the server's own address is none of theirs. */
  #outside(location: string, prefix: string): string {
    const origin = this.#seat?.server.spec.origin ?? '';
    const path = location.startsWith(`${origin}/`) ? location.slice(origin.length) : location;
    return path.startsWith('/') && !path.startsWith('//') ? `${prefix}${path}` : path;
  }

  #noteHead(status: number): void {
    const now = performance.now();
    const seat = this.#seat as Seat;
    if (status === 503 && seat.server.health.standing(now) !== 'healthy') seat.server.health.failed(now);
    else seat.server.health.succeeded(now);
    if (status < 500) seat.took(now - this.#start, now);
  }

  #answer(fault: Fault | undefined): Answer {
    const server = this.#seat?.server;
    const outcome =
      fault === undefined
        ? readAnswer(server?.spec.kind ?? 'sluice', this.#status, Buffer.alloc(0)).class
        : classOfFault(fault);
    const told = fault === undefined ? undefined : FAULTS[fault];
    return {
      status: this.#status || (told?.status ?? 502),
      headers: told?.headers ?? {},
      body: told === undefined ? Buffer.alloc(0) : errorBody(told.error),
      isDelivered: this.#status !== 0,
      server: server?.name,
      serverClass: server?.spec.class,
      fault,
      class: outcome,
      firstClass: outcome,
      attempts: this.#tried.length,
      latencyMs: performance.now() - this.#start,
    };
  }
}
