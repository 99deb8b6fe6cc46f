import { Worker } from 'node:worker_threads';
import { RequestError } from '../errors.ts';
import { type Call, type Reading, readCall } from './read-call.ts';
import type { ReadReport } from './reader-thread.ts';

const THREAD = new URL('./reader-thread.js', import.meta.url);
/** JSON of this size takes some ten milliseconds to read; below it, going to another thread and back costs more. */
const LARGE_BYTES = 512 * 1024;

type Pending = { readonly resolve: (call: Call) => void; readonly reject: (error: Error) => void };

/** Reads bodies: small ones at once, large JSON in a thread of its own, so that the event loop is free meanwhile. */
export class Reader {
  readonly #pending = new Map<number, Pending>();
  #worker: Worker | undefined;
  #nextId = 1;

  /** Reads one body; its memory may move away. Throws or rejects with a RequestError. */
  read(reading: Reading): Call | Promise<Call> {
    return jsonBytesOf(reading) < LARGE_BYTES ? readCall(reading) : this.#readElsewhere(reading);
  }

  /** Ends the thread, if one was started; there must be nothing left to read. */
  async close(): Promise<void> {
    // It runs no native code, so it may be ended at any time.
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #readElsewhere(reading: Reading): Promise<Call> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject });
      const body = reading.body as Buffer<ArrayBuffer>;
      // A small view of shared memory is copied by being sent; a large body has memory of its own, and grew by four.
      const memory = 8 * body.length > body.buffer.byteLength ? [body.buffer] : [];
      this.#thread().postMessage({ id, reading }, memory);
    });
  }

  #thread(): Worker {
    if (this.#worker === undefined) {
      this.#worker = new Worker(THREAD);
      this.#worker.unref();
      this.#worker.on('message', (report: ReadReport) => this.#settle(report));
      this.#worker.on('error', (error) => this.#fail(error));
    }
    return this.#worker;
  }

  #settle(report: ReadReport): void {
    const pending = this.#pending.get(report.id);
    this.#pending.delete(report.id);
    if ('call' in report) {
      pending?.resolve(report.call);
    } else {
      pending?.reject(new RequestError(report.ending, report.message));
    }
  }

  /** The thread is gone, for want of memory most likely: those it was reading for hear of it, the next starts another. */
  #fail(cause: Error): void {
    this.#worker = undefined;
    for (const { reject } of this.#pending.values()) {
      reject(new RequestError('too_large', 'the body takes more memory to read than there is', { cause }));
    }
    this.#pending.clear();
  }
}

function jsonBytesOf({ body, jsonLength }: Reading): number {
  const size = Buffer.isBuffer(body) ? body.length : 0;
  const stated = jsonLength === undefined ? size : Number(jsonLength);
  // A length that is none is refused where it is read.
  return stated <= size ? stated : 0;
}
