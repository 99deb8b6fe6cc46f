// One request to a version, within its deadline, as an Answer. Never rejects: what went wrong is a Fault. A request is sent
// again only to the same version, only while no byte of an answer has come, and only as far as the retry budget goes.
import type { Dispatcher } from 'undici';
import { errorBody } from '../errors.ts';
import type { Answer, Facts, Fault, OnLeave, OutcomeClass } from '../flow.ts';
import { classOfFault, readAnswer } from './dialect.ts';
import { Exchange, type Result } from './exchange.ts';
import { errorOf, FAULTS, statusForCaller } from './faults.ts';
import type { Placement } from './fleet/placement.ts';
import type { Seat } from './fleet/seat.ts';
import { DEADLINE_HEADER, requestHeaders, responseHeaders } from './headers.ts';
import { noteHealth } from './note-health.ts';

const MOST_ATTEMPTS = 3;
/** A repeat waits up to this long, so that those of one broken server do not arrive elsewhere all at once. */
const JITTER_MS = 10;
const NO_OPTIONS: SendOptions = {};

/** What differs from a caller's own request to the version. */
export type SendOptions = {
  /** Headers of ours to add, as flat name-value pairs. */
  readonly marks?: readonly string[];
  /** Milliseconds that are left for the answer, where that is less than the version's timeout. */
  readonly timeoutMs?: number;
  /** Of a request of protocol http; else POST for a prediction and GET for a look. */
  readonly method?: Dispatcher.HttpMethod;
  /** The only server to ask, once, and for as long as `timeoutMs` says: of a copy that no caller waits for. */
  readonly seat?: Seat;
};

/** Sends a request to a server of this version; its timeout counts from now to the last byte of the answer. */
export function send(
  placement: Placement,
  path: string,
  facts: Facts,
  onLeave: OnLeave,
  options: SendOptions = NO_OPTIONS,
): Promise<Answer> {
  return new Promise((settle) => new Sending(placement, path, facts, options, settle).start(onLeave));
}

type Settled = Exclude<Result, { kind: 'dropped' }>;
/** What came of the first attempt. */
type First = { readonly class: OutcomeClass; readonly fault: Fault | undefined };

class Sending {
  readonly #placement: Placement;
  readonly #path: string;
  readonly #facts: Facts;
  readonly #settle: (answer: Answer) => void;
  readonly #start = performance.now();
  readonly #headers: string[];
  readonly #timeoutMs: number;
  readonly #method: Dispatcher.HttpMethod;
  readonly #only: Seat | undefined;
  readonly #tried: Seat[] = [];
  readonly #open = new Set<Exchange>();
  #deadline: NodeJS.Timeout | undefined;
  #next: NodeJS.Timeout | undefined;
  #first: First | undefined;
  #isWarm = false;
  #isSettled = false;

  constructor(
    placement: Placement,
    path: string,
    facts: Facts,
    { marks, timeoutMs, method, seat }: SendOptions,
    settle: (answer: Answer) => void,
  ) {
    this.#placement = placement;
    this.#path = path;
    this.#facts = facts;
    this.#settle = settle;
    this.#headers = requestHeaders(facts.rawHeaders, facts.headers.connection, facts.id, 'inference');
    if (marks !== undefined) this.#headers.push(...marks);
    this.#headers.push(DEADLINE_HEADER, '');
    this.#method = method ?? (facts.call === 'infer' || facts.call === 'predict' ? 'POST' : 'GET');
    const longest = placement.version.timeoutMs;
    this.#only = seat;
    this.#timeoutMs = Math.min(timeoutMs ?? longest, seat === undefined ? longest : Number.POSITIVE_INFINITY);
  }

  start(onLeave: OnLeave): void {
    const { version, budget } = this.#placement;
    const seat = this.#only ?? this.#chosen();
    if (seat === undefined) {
      this.#first = { class: 'shed', fault: 'shed' };
      return void this.#settle(this.#answerTo({ kind: 'fault', fault: 'shed', isStarted: false }, undefined));
    }
    if (this.#only === undefined) budget.deposit();
    this.#placement.inFlight++;
    this.#deadline = setTimeout(() => this.#give('deadline'), this.#timeoutMs);
    onLeave(() => this.#give('client_left'));
    const { hedgeAfterMs } = version.resending;
    if (hedgeAfterMs !== undefined && this.#only === undefined)
      this.#next = setTimeout(() => this.#hedge(), hedgeAfterMs);
    this.#isWarm = seat.isWarm;
    this.#ask(seat);
  }

  #chosen(): Seat | undefined {
    return this.#placement.hasRoom() ? this.#placement.choose(this.#start, Math.random, []) : undefined;
  }

  #ask(seat: Seat): void {
    const now = performance.now();
    this.#tried.push(seat);
    seat.server.inFlight++;
    const exchange = new Exchange(this.#placement.answers, (result) => this.#heard(exchange, seat, result, now));
    this.#open.add(exchange);
    const left = Math.max(1, Math.ceil(this.#timeoutMs - (now - this.#start)));
    this.#headers[this.#headers.length - 1] = String(left);
    seat.server.pool.dispatch(
      {
        path: this.#path,
        method: this.#method,
        headers: this.#headers,
        body: this.#method === 'GET' ? null : this.#facts.body,
      },
      exchange,
    );
  }

  #heard(exchange: Exchange, seat: Seat, result: Result, since: number): void {
    this.#open.delete(exchange);
    seat.server.inFlight--;
    noteHealth(seat, result, { call: this.#facts.call, since, timeoutMs: this.#usualMs });
    if (seat === this.#tried[0]) this.#first ??= this.#firstOf(result, seat); // a hedge may be heard of before it
    if (this.#isSettled || result.kind === 'dropped') return;
    const isWanting = this.#isUnanswered(result, seat);
    if (isWanting && this.#open.size > 0) return; // the other one may still answer
    const again = isWanting && this.#mayRepeat(result) ? this.#nextSeat(result) : undefined;
    if (again === undefined) return void this.#finish(result, seat);
    clearTimeout(this.#next);
    this.#next = setTimeout(() => this.#ask(again), Math.random() * JITTER_MS);
  }

  /** What a failure counts as at least: a copy that may take longer than requests do makes a server no slower. */
  get #usualMs(): number {
    return Math.min(this.#timeoutMs, this.#placement.version.timeoutMs);
  }

  /** Whether the server did not do the work, or did not get to tell what came of it. */
  #isUnanswered(result: Settled, seat: Seat): boolean {
    if (result.kind === 'fault') return true;
    return result.status === 429 || this.#read(result, seat).isNotReady;
  }

  /** Whether one more attempt can do no harm. */
  #mayRepeat(result: Settled): boolean {
    if (this.#only !== undefined || this.#tried.length >= MOST_ATTEMPTS) return false;
    if (result.kind === 'response' || result.fault === 'unreachable') return true; // nothing was done
    if (classOfFault(result.fault) === 'own_limit') return false; // the next answer is no smaller
    return !result.isStarted && this.#placement.version.resending.isIdempotent;
  }

  /** Another server where there is one; the same one only for a connection that failed, as idle ones do. */
  #nextSeat(result: Settled): Seat | undefined {
    const last = this.#tried.at(-1);
    const same = result.kind === 'fault' && last?.hasRoom() ? last : undefined;
    const chosen = this.#placement.choose(performance.now(), Math.random, this.#tried) ?? same;
    return chosen !== undefined && this.#placement.budget.withdraw() ? chosen : undefined;
  }

  /** Nothing has been heard for a while: another server is asked too, and the first answer wins. */
  #hedge(): void {
    if (this.#isSettled || this.#open.size === 0 || !this.#placement.version.resending.isIdempotent) return;
    const seat = this.#placement.choose(performance.now(), Math.random, this.#tried);
    if (seat !== undefined && this.#placement.budget.withdraw()) this.#ask(seat);
  }

  /** Ends the whole request: nobody waits any longer. */
  #give(fault: 'deadline' | 'client_left'): void {
    if (this.#isSettled) return;
    const seat = this.#tried.at(-1);
    const open = [...this.#open];
    this.#first ??= { class: classOfFault(fault), fault };
    this.#finish({ kind: 'fault', fault, isStarted: false }, seat);
    for (const exchange of open) exchange.abandon(fault);
  }

  #finish(result: Settled, seat: Seat | undefined): void {
    this.#isSettled = true;
    clearTimeout(this.#deadline);
    clearTimeout(this.#next);
    this.#placement.inFlight--;
    for (const exchange of this.#open) if (result.kind === 'response') exchange.abandon('outrun');
    this.#settle(this.#answerTo(result, seat));
  }

  #firstOf(result: Result, seat: Seat): First | undefined {
    if (result.kind === 'dropped') return undefined;
    return { class: this.#classOf(result, seat), fault: result.kind === 'fault' ? result.fault : undefined };
  }

  #classOf(result: Settled, seat: Seat): OutcomeClass {
    return result.kind === 'fault' ? classOfFault(result.fault) : this.#read(result, seat).class;
  }

  #read(result: Extract<Result, { kind: 'response' }>, seat: Seat): ReturnType<typeof readAnswer> {
    return readAnswer(seat.server.spec.kind, this.#facts.call, result);
  }

  #answerTo(result: Settled, seat: Seat | undefined): Answer {
    const outcome = seat === undefined ? 'shed' : this.#classOf(result, seat);
    const first = (this.#first === undefined ? seat : this.#tried[0])?.server; // or the hedge that outran it
    const common = {
      server: seat?.server.name,
      serverClass: seat?.server.spec.class,
      class: outcome,
      firstClass: this.#first?.class ?? outcome,
      firstFault: this.#first?.fault,
      firstServer: first?.name,
      firstServerClass: first?.spec.class,
      isWarm: this.#isWarm,
      attempts: this.#tried.length,
      latencyMs: performance.now() - this.#start,
      isDelivered: false,
    };
    if (result.kind === 'response') {
      const { status, body } = result;
      return {
        status: statusForCaller(status),
        headers: responseHeaders(result.headers, 'inference'),
        body,
        fault: undefined,
        ...common,
      };
    }
    const { status, headers } = FAULTS[result.fault];
    const error = errorOf(result.fault, { answers: this.#placement.answers });
    return { status, headers, body: errorBody(error), fault: result.fault, ...common };
  }
}
