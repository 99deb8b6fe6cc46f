import type { FastifyInstance } from 'fastify';
import { RequestError } from '../errors.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** What this request holds of the memory for bodies. */
    held: HeldBody;
  }
}

/** The bytes of bodies that are held at the moment, unpacked ones included, within a limit for all requests together. */
export class BodyMemory {
  readonly limit: number;
  /** Those not here whole, the newest last. */
  readonly #arriving: HeldBody[] = [];
  #held = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  hasRoomFor(bytes: number): boolean {
    return this.#held + bytes <= this.limit;
  }

  /** Bytes are held, or not any more; whether there is room was asked before. */
  count(bytes: number): void {
    this.#held += bytes;
  }

  /** Makes room for a body by giving up newer ones; false where that is not enough. Under a flood the oldest are served. */
  makeRoom(body: HeldBody, bytes: number): boolean {
    while (!this.hasRoomFor(bytes)) {
      const newest = this.#arriving.at(-1);
      if (newest === undefined || newest === body) {
        return false;
      }
      newest.giveUp();
    }
    return true;
  }

  begin(body: HeldBody): void {
    this.#arriving.push(body);
  }

  arrived(body: HeldBody): void {
    const at = this.#arriving.lastIndexOf(body);
    if (at >= 0) {
      this.#arriving.splice(at, 1);
    }
  }
}

/** What one request holds: until its answer is taken, and until nothing works on it any more. */
export class HeldBody {
  readonly #memory: BodyMemory;
  #bytes = 0;
  #users = 1;
  #onGivenUp: ((error: RequestError) => void) | undefined;

  constructor(memory: BodyMemory) {
    this.#memory = memory;
  }

  /** Throws when a body with this Content-Length would not fit now. */
  refuseBeyond(bytes: number): void {
    if (!this.#memory.hasRoomFor(bytes)) {
      throw this.#full();
    }
  }

  /** Pieces begin to arrive. `onGivenUp` is called when there is no memory for them. */
  begin(onGivenUp: (error: RequestError) => void): void {
    this.#onGivenUp = onGivenUp;
    this.#memory.begin(this);
  }

  /** Holds a piece; false when the body was given up instead. */
  take(bytes: number): boolean {
    if (this.#memory.makeRoom(this, bytes)) {
      this.count(bytes);
      return true;
    }
    this.giveUp();
    return false;
  }

  /** All pieces are here, or no more will be taken. */
  arrived(): void {
    this.#memory.arrived(this);
    this.#onGivenUp = undefined;
  }

  giveUp(): void {
    const onGivenUp = this.#onGivenUp;
    this.arrived();
    this.count(-this.#bytes);
    onGivenUp?.(this.#full());
  }

  /** Holds this many bytes more, or fewer where it is negative, whether or not there is room. */
  count(bytes: number): void {
    const change = Math.max(bytes, -this.#bytes);
    this.#bytes += change;
    this.#memory.count(change);
  }

  /** One more works on it. */
  keep(): void {
    this.#users++;
  }

  /** One less does; after the last one nothing is held. */
  letGo(): void {
    this.#users--;
    if (this.#users === 0) {
      this.arrived();
      this.count(-this.#bytes);
    }
  }

  #full(): RequestError {
    return new RequestError(
      'memory_full',
      `the memory for bodies at this server (--upload-memory, ${this.#memory.limit} bytes) is full; try again`,
    );
  }
}

/** Gives every request its part of the memory, and takes it back when the request is over. */
export function holdBodies(app: FastifyInstance, memory: BodyMemory): void {
  app.decorateRequest('held', null as unknown as HeldBody);
  app.addHook('onRequest', (request, reply, done) => {
    const held = new HeldBody(memory);
    request.held = held;
    reply.raw.once('close', () => held.letGo());
    done();
  });
}
