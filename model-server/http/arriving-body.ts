/** Elements are at most this long, so a tensor that begins at a multiple of it is aligned. */
const ALIGNMENT = 8;
/** Below this, one copy more costs less than care does. */
const PLACED_FROM = 64 * 1024;
/** Memory grows by this factor: at most a third of a body is copied once more, and never more than a quarter of it at once. */
const GROWTH = 4;

/**
 * A body piece by piece. A large one goes into memory of its own, so that no moment of its arrival holds up the event loop,
 * and lies so that what begins after its first `jsonBytes` is aligned and need not move. Memory is taken as bytes arrive:
 * who announces much and sends nothing reserves nothing.
 */
export class ArrivingBody {
  readonly #stated: number;
  readonly #shift: number;
  #place: Buffer | undefined;
  #pieces: Buffer[] = [];
  size = 0;

  /** `stated` is the length that was announced, in bytes; NaN when none was. */
  constructor(stated: number, jsonBytes: number) {
    this.#stated = stated;
    const isLength = Number.isSafeInteger(jsonBytes) && jsonBytes > 0;
    this.#shift = isLength ? (ALIGNMENT - (jsonBytes % ALIGNMENT)) % ALIGNMENT : 0;
  }

  add(chunk: Buffer): void {
    const needed = this.size + chunk.length;
    if (this.#stated >= PLACED_FROM) {
      chunk.copy(this.#placeFor(needed), this.size);
    } else {
      this.#pieces.push(chunk);
    }
    this.size = needed;
  }

  whole(): Buffer {
    return this.#place?.subarray(0, this.size) ?? Buffer.concat(this.#pieces, this.size);
  }

  #placeFor(needed: number): Buffer {
    const place = this.#place;
    if (place !== undefined && place.length >= needed) {
      return place;
    }
    const length = Math.min(
      Math.max(GROWTH * (place?.length ?? PLACED_FROM / GROWTH), needed),
      Math.max(this.#stated, needed),
    );
    const larger = Buffer.from(new ArrayBuffer(length + ALIGNMENT), this.#shift, length);
    place?.copy(larger, 0, 0, this.size);
    this.#place = larger;
    return larger;
  }
}
