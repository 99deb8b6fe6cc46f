// How pairs cross into the process that compares: bodies copied into one block that is handed over, numbers into another, names
// told once a parcel. An object a pair would cost more to clone than to compare, and one that waits more to collect.
import type { Fault, Pair, Side } from '../flow.ts';

/** Pairs on their way. */
export type Parcel = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly numbers: Float64Array<ArrayBuffer>;
  /** What the numbers that stand for names refer to. The first is the name that is not there. */
  readonly names: readonly string[];
};

const ABSENT = 0;

/** The bytes of a pair's bodies. */
export function bytesOf({ baseline, candidate, noise, request }: Pair): number {
  return baseline.body.length + candidate.body.length + (noise?.body.length ?? 0) + (request?.body.length ?? 0);
}

/** The pairs of a parcel, in their order; bodies are views of the parcel's bytes. */
export function unpack(parcel: Parcel): Pair[] {
  const unpacker = new Unpacker(parcel);
  const pairs: Pair[] = [];
  while (!unpacker.isEmpty()) pairs.push(unpacker.pair());
  return pairs;
}

const FIRST_BYTES = 16 * 1024;
const FIRST_NUMBERS = 2048;

/** Packs pairs into a parcel, each at once: nothing of a pair is held. */
export class Packer {
  /** Pairs so far. */
  count = 0;
  /** Bytes of their bodies. */
  bytes = 0;
  #bodies = new Uint8Array(FIRST_BYTES);
  #numbers = new Float64Array(FIRST_NUMBERS);
  #filled = 0;
  readonly #names: string[] = [''];
  readonly #places = new Map<string, number>();

  add(pair: Pair): void {
    const { id, model, shadow, at, unit, slices, baseline, candidate, noise, request } = pair;
    this.#makeRoom(bytesOf(pair));
    this.count++;
    // An id stands once: looking for it among the names would be in vain.
    this.#number(this.#names.push(id) - 1);
    this.#number(this.#name(model));
    this.#number(this.#name(shadow));
    this.#number(at);
    this.#number(this.#name(unit));
    this.#number(this.#name(slices && JSON.stringify(slices)));
    this.#number((noise === undefined ? 0 : 1) + (request === undefined ? 0 : 2));
    this.#side(baseline);
    this.#side(candidate);
    if (noise !== undefined) this.#side(noise);
    if (request !== undefined) this.#body(request);
  }

  parcel(): Parcel {
    const [bytes, numbers] = [this.#bodies.subarray(0, this.bytes), this.#numbers.subarray(0, this.#filled)];
    return { bytes, numbers, names: this.#names };
  }

  #side(side: Side): void {
    const { version, status, fault, contentType, encoding, latencyMs, server, digest } = side;
    this.#number(this.#name(version));
    this.#number(status);
    this.#number(this.#name(fault));
    this.#number(this.#name(contentType));
    this.#number(this.#name(encoding));
    this.#number(latencyMs);
    this.#number(this.#name(server));
    this.#number(this.#name(digest));
    this.#body(side);
  }

  #body({ body, headerLength }: Pick<Side, 'body' | 'headerLength'>): void {
    this.#number(headerLength ?? -1);
    this.#number(body.length);
    this.#bodies.set(body, this.bytes);
    this.bytes += body.length;
  }

  #makeRoom(bytes: number): void {
    const needed = this.bytes + bytes;
    if (needed <= this.#bodies.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bodies.length));
    larger.set(this.#bodies.subarray(0, this.bytes));
    this.#bodies = larger;
  }

  #number(value: number): void {
    if (this.#filled === this.#numbers.length) {
      const larger = new Float64Array(2 * this.#numbers.length);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#filled++] = value;
  }

  #name(name: string | undefined): number {
    if (name === undefined) return ABSENT;
    let place = this.#places.get(name);
    if (place === undefined) {
      place = this.#names.push(name) - 1;
      this.#places.set(name, place);
    }
    return place;
  }
}

class Unpacker {
  readonly #bytes: Buffer;
  readonly #numbers: Float64Array;
  readonly #names: readonly string[];
  #at = 0;
  #read = 0;

  constructor({ bytes, numbers, names }: Parcel) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#numbers = numbers;
    this.#names = names;
  }

  isEmpty(): boolean {
    return this.#at >= this.#numbers.length;
  }

  pair(): Pair {
    const [id, model, shadow, at] = [this.#text(), this.#text(), this.#text(), this.#number()];
    const [unit, sliced, sides] = [this.#name(), this.#name(), this.#number()];
    const slices = sliced === undefined ? undefined : JSON.parse(sliced);
    const [baseline, candidate] = [this.#side(), this.#side()];
    const noise = (sides & 1) === 0 ? undefined : this.#side();
    const request = (sides & 2) === 0 ? undefined : this.#body();
    return { id, model, shadow, at, unit, slices, baseline, candidate, noise, request };
  }

  #side(): Side {
    const version = this.#text();
    const status = this.#number();
    const fault = this.#name() as Fault | undefined;
    const contentType = this.#text();
    const encoding = this.#name();
    const latencyMs = this.#number();
    const server = this.#text();
    const digest = this.#name();
    const { body, headerLength } = this.#body();
    return { version, status, fault, contentType, encoding, latencyMs, server, digest, body, headerLength };
  }

  #body(): Pick<Side, 'body' | 'headerLength'> {
    const headerLength = this.#number();
    const start = this.#read;
    this.#read += this.#number();
    return {
      headerLength: headerLength < 0 ? undefined : headerLength,
      body: this.#bytes.subarray(start, this.#read),
    };
  }

  #number(): number {
    return this.#numbers[this.#at++] ?? 0;
  }

  #text(): string {
    return this.#names[this.#number()] ?? '';
  }

  #name(): string | undefined {
    const place = this.#number();
    return place === ABSENT ? undefined : this.#names[place];
  }
}
