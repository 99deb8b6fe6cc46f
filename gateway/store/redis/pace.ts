const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;
const MOST_DOUBLINGS = 8;

/** When work is done next: at the earliest time that was asked for, and after failures later and later. */
export class Pace {
  readonly #work: () => void;
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  #failures = 0;

  constructor(work: () => void) {
    this.#work = work;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Works after this long, or earlier if that was asked for before. */
  schedule(afterMs: number): void {
    const pauseMs = Math.max(afterMs, this.#backOffMs());
    const due = performance.now() + pauseMs;
    if (this.#timer !== undefined && this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#work();
    }, pauseMs).unref();
  }

  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures++;
  }

  /** Works at once: what made it fail is over. */
  wake(): void {
    this.#failures = 0;
    this.stop();
    this.schedule(0);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #backOffMs(): number {
    if (this.#failures === 0) return 0;
    return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, MOST_DOUBLINGS), LONGEST_PAUSE_MS);
  }
}
