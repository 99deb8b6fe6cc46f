import type { Dispatcher } from 'undici';
import type { Fault } from '../flow.ts';

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
  readonly #maxBytes: number;
  #controller: Dispatcher.DispatchController | undefined;
  #isAbandoned = false;
  #isSettled = false;
  #isSent = false;
  #status = 0;
  #headers: ResponseHeaders = {};
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number, settle: (result: Result) => void) {
    this.#maxBytes = maxBytes;
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
    if (whyUnusable(status, headers) !== undefined) this.#reject(controller);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) this.#reject(controller);
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#bytes);
    this.#finish({ kind: 'response', status: this.#status, headers: this.#headers, body });
  }

  onResponseError(): void {
    this.#finish(this.#fault(this.#isSent ? 'broken' : 'unreachable'));
  }

  #reject(controller: Dispatcher.DispatchController): void {
    this.#finish(this.#fault('broken'));
    controller.abort(new Error('the response cannot be passed on'));
  }

  #fault(fault: Fault): Result {
    return { kind: 'fault', fault, isStarted: this.#status !== 0 };
  }

  #finish(result: Result): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#settle(result);
  }
}

/** Why a response cannot be passed on, from its head alone. */
export function whyUnusable(status: number, headers: ResponseHeaders): string | undefined {
  if (status > 599) return `the response had status ${status}`;
  // Never followed; passing it on would tell callers an internal address.
  if (status >= 300 && status < 400) return `the response was a redirect (${status})`;
  const hasLength = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  // Without a length, a response that was cut short looks whole.
  return hasLength || status === 204 ? undefined : 'the response had no length';
}
