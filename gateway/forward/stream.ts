// One request of protocol http, streamed both ways: nothing is held back, and a cut answer never looks whole. As with send,
// what goes wrong before the first byte is a Fault for the caller; after it the caller's connection is cut.
import { PassThrough } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Answer, Facts, Fault, OnLeave } from '../flow.ts';
import { faultOf, type ResponseHeaders, whyUnusable } from './exchange.ts';
import type { Placement } from './fleet/placement.ts';
import type { Seat } from './fleet/seat.ts';
import { DEADLINE_HEADER, requestHeaders, responseHeaders } from './headers.ts';
import { noteHealth } from './note-health.ts';
import { answerOf, type Head, NOT_BEGUN, outside, readHead, type Streams } from './streamed.ts';
import { Turns } from './turns.ts';
import { hasBody, passOn } from './upload.ts';

/**
 * Streams a request to a server of this version and its answer to the caller. Settles when that has ended.
 *
 * The version's timeout and `latencyMs` count the server's time alone (`turns.ts`): a caller that sends or reads slowly is
 * bounded by the limits of the listener and never speaks against the version or its server. `latencyMs` of an event stream
 * (`text/event-stream`) ends with the first piece of the answer, for how long it goes on is what the caller asked for; of any
 * other answer it ends with the last piece, since many servers send their head before they have done any work.
 */
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
  #turns: Turns | undefined;
  /** What the server had taken when the last attempt began, in milliseconds. */
  #askedMs = 0;
  #firstPieceMs: number | undefined;
  #isEvents = false;
  #path = '';
  readonly #tried: Seat[] = [];
  #upload: PassThrough | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #isSent = false;
  #isWarm = false;
  #head: Head = NOT_BEGUN;
  #fault: Fault | undefined;
  #isSettled = false;

  constructor(placement: Placement, facts: Facts, streams: Streams, settle: (answer: Answer) => void) {
    this.#placement = placement;
    this.#facts = facts;
    this.#streams = streams;
    this.#settle = settle;
  }

  start(path: string, onLeave: OnLeave): void {
    const now = performance.now();
    const seat = this.#placement.hasRoom() ? this.#placement.choose(now, Math.random, []) : undefined;
    if (seat === undefined) return void this.#settle(this.#answer('shed'));
    this.#placement.budget.deposit();
    this.#placement.inFlight++;
    this.#turns = this.#newTurns();
    onLeave(() => this.#give('client_left'));
    this.#path = path;
    this.#isWarm = seat.isWarm;
    this.#ask(seat);
  }

  #newTurns(): Turns {
    const { timeoutMs, idleTimeoutMs } = this.#placement.version;
    return new Turns({
      serverMs: timeoutMs,
      onServerLate: () => this.#give('deadline'),
      takingMs: Math.max(timeoutMs, this.#streams.answerTimeoutMs),
      onTakenLate: () => this.#give('too_slow'),
      silenceMs: idleTimeoutMs,
      onSilence: () => this.#give('deadline'),
    });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#isSent = true;
    if (this.#isSettled) controller.abort(new Error('abandoned'));
    else if (this.#upload !== undefined && this.#turns !== undefined) this.#send(this.#upload, this.#turns);
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    if (status < 200 || this.#isSettled) return; // 1xx: the real one follows
    const { request, response, marks, prefix, tap } = this.#streams;
    const isBodiless = request.method === 'HEAD' || status === 204 || status === 304;
    const isRedirect = status >= 300 && status < 400;
    const unusable = isBodiless || isRedirect ? undefined : whyUnusable(status, headers);
    if (unusable !== undefined) return void this.#give(unusable);
    this.#head = { status, headers };
    tap?.answered(headers);
    this.#noteHead();
    this.#isEvents = String(headers['content-type'] ?? '').startsWith('text/event-stream');
    const { location } = headers;
    const moved =
      typeof location === 'string' ? { location: outside(location, this.#seat?.server.spec.origin ?? '', prefix) } : {};
    response.writeHead(status, {
      ...responseHeaders(headers, 'http'),
      ...moved,
      'x-request-id': this.#facts.id,
      ...marks,
    });
    response.flushHeaders();
    response.on('drain', () => {
      this.#turns?.untaken(false);
      controller.resume();
    });
    this.#turns?.heard();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isSettled) return;
    this.#firstPieceMs ??= this.#serverMs;
    this.#turns?.heard();
    this.#streams.tap?.received(chunk);
    if (this.#streams.response.write(chunk)) return;
    controller.pause(); // the caller reads slower than the server writes
    this.#turns?.untaken(true);
  }

  onResponseEnd(): void {
    if (this.#isSettled) return;
    this.#streams.response.end();
    this.#finish();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#isSettled) return;
    if (this.#isSent)
      return void this.#give(this.#isCallersDoing() ? 'too_slow' : faultOf(error, this.#head.status !== 0));
    // Nothing of the request has left: another server may have it, body and all.
    const seat = this.#seat;
    const again = this.#placement.choose(performance.now(), Math.random, this.#tried);
    if (seat === undefined || again === undefined || !this.#placement.budget.withdraw())
      return void this.#give('unreachable');
    seat.server.inFlight--;
    this.#noteFault(seat, 'unreachable');
    this.#ask(again);
  }

  /** A server too loses patience with a caller that lets it wait for longer than the server itself may take. */
  #isCallersDoing(): boolean {
    return this.#turns !== undefined && this.#turns.callerMs > this.#timeoutMs;
  }

  get #seat(): Seat | undefined {
    return this.#tried.at(-1);
  }

  get #timeoutMs(): number {
    return this.#placement.version.timeoutMs;
  }

  get #serverMs(): number {
    return this.#turns?.serverMs ?? 0;
  }

  #ask(seat: Seat): void {
    this.#tried.push(seat);
    this.#askedMs = this.#serverMs;
    seat.server.inFlight++;
    const { request } = this.#streams;
    const { 'content-length': length, connection } = request.headers;
    // A stream of its own, for undici destroys what it sends from and that must not be the caller's socket.
    this.#upload = hasBody(request) ? new PassThrough() : undefined;
    const headers = requestHeaders(this.#facts.rawHeaders, connection, this.#facts.id, 'http');
    if (length !== undefined) headers.push('content-length', length);
    headers.push(DEADLINE_HEADER, String(Math.max(1, Math.ceil(this.#timeoutMs - this.#serverMs))));
    const method = (request.method ?? 'GET') as Dispatcher.HttpMethod;
    seat.server.pool.dispatch({ path: this.#path, method, headers, body: this.#upload ?? null }, this);
  }

  /** Passes the body on as it comes in, once there is a connection. */
  #send(upload: PassThrough, turns: Turns): void {
    const { request, bodyLimit, askForBody, whenLate, tap } = this.#streams;
    whenLate(() => this.#give(turns.isCallers ? 'too_slow' : 'deadline'));
    askForBody();
    const onTooLarge = () => this.#give('too_large');
    passOn(request, upload, { limit: bodyLimit, onTooLarge, onPiece: (chunk) => tap?.sent(chunk), turns });
  }

  /** Ends it early: as an error when nothing has been answered yet, by cutting the caller off otherwise. */
  #give(fault: Fault): void {
    if (this.#isSettled) return;
    this.#fault = fault;
    const hasBegun = this.#head.status !== 0;
    const seat = this.#seat;
    if (!hasBegun && seat) this.#noteFault(seat, fault);
    this.#finish();
    this.#controller?.abort(new Error(fault));
    if (hasBegun) this.#streams.response.destroy();
  }

  #finish(): void {
    this.#isSettled = true;
    this.#turns?.end();
    const { request, tap } = this.#streams;
    const isWhole = this.#upload === undefined || request.readableEnded;
    tap?.ended(isWhole, this.#serverMs);
    if (this.#seat !== undefined) this.#seat.server.inFlight--;
    this.#placement.inFlight--;
    this.#settle(this.#answer(this.#fault));
  }

  #noteFault(seat: Seat, fault: Fault): void {
    const since = performance.now() - (this.#serverMs - this.#askedMs);
    noteHealth(seat, { kind: 'fault', fault, isStarted: false }, { call: 'opaque', since, timeoutMs: this.#timeoutMs });
  }

  #noteHead(): void {
    const { status } = this.#head;
    const now = performance.now();
    const seat = this.#seat as Seat;
    if (status === 503 && seat.server.health.standing(now) !== 'healthy') seat.server.health.failed(now);
    else seat.server.health.succeeded(now);
    const outcome = readHead(seat, this.#head).class;
    if (outcome === 'ok' || outcome === 'model_fault') seat.ran();
    if (status < 500) seat.took(this.#serverMs - this.#askedMs, now);
  }

  #answer(fault: Fault | undefined): Answer {
    const latencyMs = this.#latencyMs(fault);
    const { bodyLimit } = this.#streams;
    return answerOf({ tried: this.#tried, head: this.#head, fault, bodyLimit, isWarm: this.#isWarm, latencyMs });
  }

  #latencyMs(fault: Fault | undefined): number {
    const isByFirstPiece = this.#isEvents && fault !== 'deadline';
    return (isByFirstPiece ? this.#firstPieceMs : undefined) ?? this.#serverMs;
  }
}
