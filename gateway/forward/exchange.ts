import type { Dispatcher } from 'undici';
import type { Fault } from '../flow.ts';
import type { AnswerMemory } from './answer-memory.ts';

/** What one server made of one request: a whole response, the reason there is none, or nothing anyone still asks for. */
export type Result =
  | { readonly kind: 'response'; readonly status: number; readonly headers: ResponseHeaders; readonly body: Buffer }
  | {
      readonly kind: 'fault';
      readonly fault: Fault;
      /** Whether the response had begun: then the server has done the work. */
      readonly isStarted: boolean;
    }
  | { readonly kind: 'dropped' };

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** Why the gateway gives up on a server's answer: too late, unwanted, or another server was faster. */
export type Abandonment = 'deadline' | 'client_left' | 'outrun';

/** One request at one server. Settles exactly once, whatever arrives first: the whole response, a failure, or `abandon`. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #settle: (result: Result) => void;
  readonly #memory: AnswerMemory;
  #controller: Dispatcher.DispatchController | undefined;
  #isAbandoned = false;
  #isSettled = false;
  #isSent = false;
  #status = 0;
  #headers: ResponseHeaders = {};
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(memory: AnswerMemory, settle: (result: Result) => void) {
    this.#memory = memory;
    this.#settle = settle;
  }

  /** Gives up: the server's connection is cut so that it can stop working. */
  abandon(why: Abandonment): void {
    if (this.#isSettled) return;
    this.#isAbandoned = true;
    this.#finish(why === 'outrun' ? { kind: 'dropped' } : this.#fault(why));
    this.#controller?.abort(new Error(why));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Abandoned while still connecting: there was no controller to stop then.
    if (this.#isAbandoned) controller.abort(new Error('abandoned'));
    this.#controller = controller;
    this.#isSent = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    if (status < 200) return; // 1xx: the real one follows
    this.#status = status;
    this.#headers = headers;
    const fault = whyUnusable(status, headers);
    if (fault !== undefined) this.#reject(controller, fault);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isSettled) return;
    if (this.#bytes + chunk.length > this.#memory.mostOfOne) this.#reject(controller, 'answer_too_large');
    else if (!this.#memory.hold(chunk.length)) this.#reject(controller, 'answers_full');
    else {
      this.#bytes += chunk.length;
      this.#chunks.push(chunk);
    }
  }

  onResponseEnd(): void {
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#bytes);
    this.#finish({ kind: 'response', status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#finish(this.#fault(this.#isSent ? faultOf(error, this.#status !== 0) : 'unreachable'));
  }

  #reject(controller: Dispatcher.DispatchController, fault: Fault): void {
    this.#finish(this.#fault(fault));
    controller.abort(new Error('the response cannot be passed on'));
  }

  #fault(fault: Fault): Result {
    return { kind: 'fault', fault, isStarted: this.#status !== 0 };
  }

  #finish(result: Result): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#memory.release(this.#bytes); // from here on it is whoever has the answer that holds it
    this.#settle(result);
  }
}

/** Why a response cannot be passed on, from its head alone. */
export function whyUnusable(status: number, headers: ResponseHeaders): Fault | undefined {
  if (status > 599) return 'malformed';
  // Never followed; passing it on would tell callers an internal address.
  if (status >= 300 && status < 400) return 'redirected';
  const coding = headers['transfer-encoding'];
  // Another coding than chunked ends with the connection, or would be lost here: it belongs to the hop (RFC 9112 section 6.1).
  const length = headers['content-length'];
  if (coding !== undefined)
    return String(coding).toLowerCase() === 'chunked' && length === undefined ? undefined : 'malformed';
  // Without a length, or with two, a response that was cut short may look whole.
  return typeof length === 'string' || (length === undefined && status === 204) ? undefined : 'malformed';
}

/** What an error of undici means once the request was sent, and when the response had begun or not. */
export function faultOf({ name, message }: Error, isStarted: boolean): Fault {
  if (name === 'HeadersOverflowError') return 'answer_too_large';
  // It has no code in undici 7; "Invalid EOF state" is an end in the middle.
  const isNoHttp = name === 'HTTPParserError' && !message.includes('EOF');
  const hasTwoFramings = name === 'ResponseContentLengthMismatchError' && !isStarted;
  return isNoHttp || hasTwoFramings ? 'malformed' : 'broken';
}
