// Reads request bodies into memory: each up to a limit, and all together up to another.
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { SluiceError } from '../../errors.ts';
import { sizeText } from '../../policy/units.ts';
import type { Connections } from './connections.ts';
import { sendContinue } from './expect.ts';

export type UploadLimits = { readonly bodyLimit: number; readonly uploadMemory: number };

/** One body: the bytes of it that are here, and how to give it up while it is still arriving. */
export type Upload = { held: number; readonly shed: () => void };

/** The bytes of request bodies that are held at the moment, within a limit for all of them. */
export class UploadMemory {
  readonly #limit: number;
  /** Those not here whole, the newest last. */
  readonly #arriving: Upload[] = [];
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  hasRoomFor(bytes: number): boolean {
    return this.#held + bytes <= this.#limit;
  }

  /** A body begins to arrive. */
  begin(upload: Upload): void {
    this.#arriving.push(upload);
  }

  /**
   * Holds some more of a body; false where it does not fit. The newest others are given up for it: were it the one that
   * asks, many that start together would all be given up halfway.
   */
  hold(upload: Upload, bytes: number): boolean {
    while (!this.hasRoomFor(bytes)) {
      const newest = this.#arriving.at(-1);
      if (newest === undefined || newest === upload) return false;
      this.release(newest);
      newest.shed();
    }
    this.#held += bytes;
    upload.held += bytes;
    return true;
  }

  /** A body is here whole; its bytes are still held. */
  arrived(upload: Upload): void {
    const at = this.#arriving.lastIndexOf(upload);
    if (at >= 0) this.#arriving.splice(at, 1);
  }

  /** The bytes of a body are not needed any more. */
  release(upload: Upload): void {
    this.arrived(upload);
    this.#held -= upload.held;
    upload.held = 0;
  }
}

/** Whether a request says that it has a body (RFC 9112 section 6.3). */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

type Done = (error: Error | null, body?: Buffer) => void;

/**
 * A content type parser for fastify that reads a body whole. One that says it will not fit is refused before it is read,
 * with 413 or 503; only bytes that are here count, so callers who announce much and send nothing take nothing from
 * others. They count until the request is over.
 */
export function bodyReader({ bodyLimit, uploadMemory }: UploadLimits, connections: Connections) {
  const memory = new UploadMemory(uploadMemory);
  return ({ raw }: FastifyRequest, payload: IncomingMessage, done: Done): void => {
    const declared = Number(raw.headers['content-length'] ?? 0);
    if (declared > bodyLimit) return void done(new SluiceError('BODY_TOO_LARGE', sizeText(bodyLimit)));
    if (!memory.hasRoomFor(declared)) {
      leaveUnread(payload);
      return void done(new SluiceError('UPLOADS_FULL'));
    }
    sendContinue(raw);
    const chunks: Buffer[] = [];
    const stop = () => void payload.off('data', onData).off('end', onEnd).off('error', fail);
    const fail = (error: Error) => {
      stop();
      memory.release(upload);
      chunks.length = 0;
      payload.on('error', () => {}).resume(); // the rest goes nowhere
      done(error);
    };
    const shed = () => {
      fail(new SluiceError('UPLOADS_FULL'));
      leaveUnread(payload);
    };
    const onData = (chunk: Buffer) => {
      if (upload.held + chunk.length > bodyLimit) return fail(new SluiceError('BODY_TOO_LARGE', sizeText(bodyLimit)));
      if (!memory.hold(upload, chunk.length)) return shed();
      chunks.push(chunk);
    };
    const onEnd = () => {
      stop();
      memory.arrived(upload);
      const body = joined(chunks, upload.held);
      chunks.length = 0; // or it would be held twice for as long as the request lasts
      done(null, body);
    };
    const upload: Upload = { held: 0, shed };
    memory.begin(upload);
    payload.on('data', onData).on('end', onEnd).on('error', fail);
    connections.whenOver(raw, () => {
      payload.off('data', onData);
      memory.release(upload);
    });
  };
}

/** Reading what is shed to its end would cost as much as serving it. Node does so unless somebody has begun to read. */
function leaveUnread(payload: IncomingMessage): void {
  payload.read(0);
  payload.pause();
}

function joined(chunks: readonly Buffer[], bytes: number): Buffer {
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes);
}
