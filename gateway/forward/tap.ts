// A streamed request and its answer, kept while they pass, so that a copy can follow when the caller has its answer. Neither
// side waits for it, and what is too much is let go.
import type { ResponseHeaders } from './exchange.ts';

/** Bytes of a request or of an answer that are kept; JSON beyond it is not compared either. */
const MOST_BYTES = 4 * 1024 * 1024;

/** What all taps of a gateway hold at one time, in bytes. */
export type TapRoom = { bytes: number; readonly most: number };

/** A request as it came and its answer as it went, whole, with the milliseconds that the server took up to its last byte. */
export type Recorded = {
  readonly request: Buffer;
  readonly response: Buffer;
  readonly headers: ResponseHeaders;
  readonly tookMs: number;
};

export class Tap {
  /** Whether the request came whole: one whose caller or server broke it off is no request to be copied. */
  isComplete = true;
  readonly #room: TapRoom;
  readonly #request: Buffer[] = [];
  readonly #response: Buffer[] = [];
  #headers: ResponseHeaders = {};
  #bytes = 0;
  #tookMs = 0;
  #isWhole = true;

  constructor(room: TapRoom) {
    this.#room = room;
  }

  /** A piece of the caller's body. */
  sent(chunk: Buffer): void {
    this.#keep(this.#request, chunk);
  }

  answered(headers: ResponseHeaders): void {
    this.#headers = headers;
  }

  /** A piece of the answer. */
  received(chunk: Buffer): void {
    this.#keep(this.#response, chunk);
  }

  /** The request is over. Whether all of its body has passed, and the milliseconds that the server took. */
  ended(isComplete: boolean, tookMs: number): void {
    this.isComplete = isComplete;
    this.#tookMs = tookMs;
    if (!isComplete) this.#letGo();
  }

  /** Gives up all that passed; undefined when that was too much, or not all of the request. */
  end(): Recorded | undefined {
    const recorded = this.#isWhole
      ? {
          request: Buffer.concat(this.#request),
          response: Buffer.concat(this.#response),
          headers: this.#headers,
          tookMs: this.#tookMs,
        }
      : undefined;
    this.#letGo();
    return recorded;
  }

  #keep(pieces: Buffer[], chunk: Buffer): void {
    if (!this.#isWhole) return;
    if (this.#bytes + chunk.length > MOST_BYTES || this.#room.bytes + chunk.length > this.#room.most) {
      this.#letGo();
      return;
    }
    pieces.push(chunk);
    this.#bytes += chunk.length;
    this.#room.bytes += chunk.length;
  }

  #letGo(): void {
    this.#isWhole = false;
    this.#room.bytes -= this.#bytes;
    this.#bytes = 0;
    this.#request.length = 0;
    this.#response.length = 0;
  }
}
