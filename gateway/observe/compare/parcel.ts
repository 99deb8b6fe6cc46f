// How pairs cross into the comparing thread: bodies copied into one block that is handed over, numbers into another, names
// told once a parcel. An object a pair would cost more to clone than to compare.
import type { Fault, Pair, Side } from '../../flow.ts';

/** Pairs on their way. */
export type Parcel = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly numbers: Float64Array<ArrayBuffer>;
  /** What the numbers that stand for names refer to. The first is the name that is not there. */
  readonly names: readonly string[];
};

const ABSENT = 0;

/** Packs pairs; their buffers stay as they are. */
export function pack(pairs: readonly Pair[]): Parcel {
  const packer = new Packer(pairs.reduce((sum, pair) => sum + bytesOf(pair), 0));
  for (const pair of pairs) packer.pair(pair);
  return packer.parcel();
}

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

class Packer {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #numbers: number[] = [];
  readonly #names: string[] = [''];
  readonly #places = new Map<string, number>();
  #filled = 0;

  constructor(bytes: number) {
    this.#bytes = new Uint8Array(bytes);
  }

  pair({ id, model, shadow, at, unit, slices, baseline, candidate, noise, request }: Pair): void {
    const sides = (noise === undefined ? 0 : 1) + (request === undefined ? 0 : 2);
    const sliced = slices === undefined ? undefined : JSON.stringify(slices);
    // An id stands once: looking for it among the names would be in vain.
    this.#numbers.push(this.#names.push(id) - 1, this.#name(model), this.#name(shadow), at);
    this.#numbers.push(this.#name(unit), this.#name(sliced), sides);
    this.#side(baseline);
    this.#side(candidate);
    if (noise !== undefined) this.#side(noise);
    if (request !== undefined) this.#body(request);
  }

  parcel(): Parcel {
    return { bytes: this.#bytes, numbers: Float64Array.from(this.#numbers), names: this.#names };
  }

  #side(side: Side): void {
    const { version, status, fault, contentType, encoding, latencyMs, server, digest } = side;
    this.#numbers.push(this.#name(version), status, this.#name(fault), this.#name(contentType));
    this.#numbers.push(this.#name(encoding));
    this.#numbers.push(latencyMs, this.#name(server), this.#name(digest));
    this.#body(side);
  }

  #body({ body, headerLength }: Pick<Side, 'body' | 'headerLength'>): void {
    this.#numbers.push(headerLength ?? -1, body.length);
    this.#bytes.set(body, this.#filled);
    this.#filled += body.length;
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
