// Reads request bodies into memory: each up to a limit, and all together up to another.
import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { SluiceError } from '../errors.ts';
import type { Connections } from './connections.ts';
import { sendContinue } from './expect.ts';

export type UploadLimits = { readonly bodyLimit: number; readonly uploadMemory: number };

/** The bytes of request bodies that are held at the moment, within a limit for all of them. */
export class UploadMemory {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  hasRoomFor(bytes: number): boolean {
    return this.#held + bytes <= this.#limit;
  }

  /** Holds some more; false, and nothing held, where they do not fit. */
  hold(bytes: number): boolean {
    const fits = this.hasRoomFor(bytes);
    if (fits) this.#held += bytes;
    return fits;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
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
    if (declared > bodyLimit) return void done(new SluiceError('BODY_TOO_LARGE'));
    if (!memory.hasRoomFor(declared)) return void done(new SluiceError('UPLOADS_FULL'));
    sendContinue(raw);
    const chunks: Buffer[] = [];
    let held = 0;
    const end = (error: Error | null) => {
      payload.off('data', onData).off('end', onEnd).off('error', end);
      if (error === null) return done(null, joined(chunks, held));
      payload.on('error', () => {}).resume(); // the rest goes nowhere
      done(error);
    };
    const onData = (chunk: Buffer) => {
      if (held + chunk.length > bodyLimit) return end(new SluiceError('BODY_TOO_LARGE'));
      if (!memory.hold(chunk.length)) return end(new SluiceError('UPLOADS_FULL'));
      held += chunk.length;
      chunks.push(chunk);
    };
    const onEnd = () => end(null);
    payload.on('data', onData).on('end', onEnd).on('error', end);
    connections.whenOver(raw, () => {
      payload.off('data', onData);
      memory.release(held);
    });
  };
}

function joined(chunks: readonly Buffer[], bytes: number): Buffer {
  const [first] = chunks;
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, bytes);
}
