import type { Dispatcher } from 'undici';
import type { Fault } from '../flow.ts';

/** What one server made of one request: a whole response, or the reason there is none. */
export type Result =
  | { readonly kind: 'response'; readonly status: number; readonly headers: ResponseHeaders; readonly body: Buffer }
  | { readonly kind: 'fault'; readonly fault: Fault; readonly reason: string };

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>;

/** One request at one server. Settles exactly once, whatever arrives first: the whole response, a failure, or `abandon`. */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly #settle: (result: Result) => void;
  readonly #maxBytes: number;
  #controller: Dispatcher.DispatchController | undefined;
  #abandoned = false;
  #settled = false;
  #sent = false;
  #status = 0;
  #headers: ResponseHeaders = {};
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number, settle: (result: Result) => void) {
    this.#maxBytes = maxBytes;
    this.#settle = settle;
  }

  /** Gives up: the result is `fault`, and the server's connection is cut so that it can stop working. */
  abandon(fault: Fault, reason: string): void {
    if (this.#settled) return;
    this.#abandoned = true;
    this.#finish({ kind: 'fault', fault, reason });
    this.#controller?.abort(new Error(reason));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Abandoned while still connecting: there was no controller to stop then.
    if (this.#abandoned) controller.abort(new Error('abandoned'));
    this.#controller = controller;
    this.#sent = true;
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: ResponseHeaders): void {
    if (status < 200) return; // 1xx: the real one follows
    this.#status = status;
    this.#headers = headers;
    const reason = whyUnusable(status, headers);
    if (reason !== undefined) this.#reject(controller, reason);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) this.#reject(controller, `the response was larger than ${this.#maxBytes} bytes`);
    else this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks, this.#bytes);
    this.#finish({ kind: 'response', status: this.#status, headers: this.#headers, body });
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.#finish({ kind: 'fault', fault: this.#sent ? 'broken' : 'unreachable', reason: error.message || error.name });
  }

  #reject(controller: Dispatcher.DispatchController, reason: string): void {
    this.#finish({ kind: 'fault', fault: 'broken', reason });
    controller.abort(new Error(reason));
  }

  #finish(result: Result): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#settle(result);
  }
}

/** Why a response cannot be passed on, from its head alone. */
function whyUnusable(status: number, headers: ResponseHeaders): string | undefined {
  if (status > 599) return `the response had status ${status}`;
  // Never followed; passing it on would tell callers an internal address.
  if (status >= 300 && status < 400) return `the response was a redirect (${status})`;
  const hasLength = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
  // Without a length, a response that was cut short looks whole.
  return hasLength || status === 204 ? undefined : 'the response had no length';
}
