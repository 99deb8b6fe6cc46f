import type { IncomingMessage } from 'node:http';
import { badRequest, RequestError, tooLarge } from './errors.ts';
import { JSON_LENGTH_HEADER } from './protocol.ts';

/** Elements are at most this long, so a tensor that begins at a multiple of it is aligned. */
const ALIGNMENT = 8;
/** Below this, one copy more costs less than care does. */
const PLACED_FROM = 64 * 1024;

/**
 * Reads a request's body of at most `limit` bytes. A large one goes into memory of its own piece by piece, so that no
 * moment of its arrival holds up the event loop, and lies so that its first binary tensor is aligned and need not move.
 */
export function receiveBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const stated = Number(request.headers['content-length'] ?? Number.NaN);
  if (stated > limit) {
    return Promise.reject(overLimit(limit));
  }
  const body = new ArrivingBody(
    stated >= PLACED_FROM ? placed(stated, request.headers[JSON_LENGTH_HEADER]) : undefined,
  );
  return new Promise((resolve, reject) => {
    const take = (chunk: Buffer) => {
      if (body.size + chunk.length > limit) {
        request.off('data', take);
        reject(overLimit(limit));
      } else {
        body.add(chunk);
      }
    };
    request.on('data', take);
    request.once('end', () => resolve(body.whole()));
    request.once('error', (error) => reject(badRequest(`the body did not arrive: ${error.message}`)));
    request.once('close', () => reject(new RequestError('client_left', 'the client left before its body had arrived')));
  });
}

/** What has arrived so far: in its place, or as pieces to be joined in the end. */
class ArrivingBody {
  readonly #place: Buffer | undefined;
  readonly #pieces: Buffer[] = [];
  size = 0;

  constructor(place: Buffer | undefined) {
    this.#place = place;
  }

  add(chunk: Buffer): void {
    if (this.#place === undefined) {
      this.#pieces.push(chunk);
    } else {
      chunk.copy(this.#place, this.size);
    }
    this.size += chunk.length;
  }

  whole(): Buffer {
    return this.#place ?? Buffer.concat(this.#pieces, this.size);
  }
}

function placed(length: number, jsonLength: string | string[] | undefined): Buffer {
  const json = Number(jsonLength ?? 0);
  const start = Number.isSafeInteger(json) && json > 0 ? (ALIGNMENT - (json % ALIGNMENT)) % ALIGNMENT : 0;
  return Buffer.from(new ArrayBuffer(length + ALIGNMENT), start, length);
}

function overLimit(limit: number): RequestError {
  return tooLarge(`the body is larger than this server's limit of ${limit} bytes`);
}
