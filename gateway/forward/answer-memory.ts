/** Bytes of answers held at one time by a fleet that has no setting for it: that of the copies. */
const MOST_BYTES = 64 * 1024 * 1024;

/** Of one answer, however much memory there is. */
export const MOST_OF_ONE = 64 * 1024 * 1024;

/** The bytes of answers that are held at the moment: those that arrive, and those that callers have yet to take. */
export class AnswerMemory {
  readonly most: number;
  /** Of one answer: to ask again for a larger one would not help, however little else is held. */
  readonly mostOfOne: number;
  #held = 0;

  constructor(most = MOST_BYTES) {
    this.most = most;
    this.mostOfOne = Math.min(most, MOST_OF_ONE);
  }

  get held(): number {
    return this.#held;
  }

  /** Holds some more of an answer that arrives; false where it does not fit. */
  hold(bytes: number): boolean {
    const fits = this.#held + bytes <= this.most;
    if (fits) this.#held += bytes;
    return fits;
  }

  /** Holds an answer that is here whole, whether or not it fits. */
  keep(bytes: number): void {
    this.#held += bytes;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}
