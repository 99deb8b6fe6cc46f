// Whose turn it is while a request is streamed, and how long each side has taken of it.

/** Milliseconds that each side may take, and what to do when it has taken them. */
export type TurnLimits = {
  /** All turns of the server, added up. */
  readonly serverMs: number;
  readonly onServerLate: () => void;
  /** All turns in which the caller has an answer to take, added up. */
  readonly takingMs: number;
  readonly onTakenLate: () => void;
  /** One pause of the server's in the middle of its answer. */
  readonly silenceMs: number;
  readonly onSilence: () => void;
};

/**
 * It is the caller's turn while the server has taken all of the body that is here and more is to come, and while a part of
 * the answer waits for the caller to take it. Otherwise it is the server's: connecting, taking the body, working, answering.
 * So what a server takes runs from the last byte of the upload to the answer, with the connection and with whatever the
 * server kept the upload waiting before.
 */
export class Turns {
  readonly #limits: TurnLimits;
  readonly #server: Stopwatch;
  readonly #taking: Stopwatch;
  #isArriving = false;
  #isHeldUp = false;
  #isUntaken = false;
  #isAnswering = false;
  #hasEnded = false;
  #silence: NodeJS.Timeout | undefined;
  /** Since when it is the caller's turn. */
  #callerSince: number | undefined;

  /** Begins with a turn of the server. */
  constructor(limits: TurnLimits) {
    this.#limits = limits;
    this.#server = new Stopwatch(limits.serverMs, limits.onServerLate);
    this.#taking = new Stopwatch(limits.takingMs, limits.onTakenLate);
    this.#turn();
  }

  /** Milliseconds that the server has taken so far. */
  get serverMs(): number {
    return this.#server.ms;
  }

  get isCallers(): boolean {
    return this.#isUntaken || (this.#isArriving && !this.#isHeldUp);
  }

  /** Milliseconds for which the caller has been waited for without a break; 0 when it is the server's turn. */
  get callerMs(): number {
    return this.#callerSince === undefined ? 0 : performance.now() - this.#callerSince;
  }

  /** Whether more of the caller's body is to come. */
  arriving(isArriving: boolean): void {
    this.#isArriving = isArriving;
    this.#turn();
  }

  /** Whether the server has yet to take what is here of the body. */
  heldUp(isHeldUp: boolean): void {
    if (isHeldUp === this.#isHeldUp) return;
    this.#isHeldUp = isHeldUp;
    this.#turn();
  }

  /** Whether the caller has yet to take what is here of the answer. */
  untaken(isUntaken: boolean): void {
    if (isUntaken === this.#isUntaken) return;
    this.#isUntaken = isUntaken;
    this.#turn();
  }

  /** The server has sent its head, or a piece of its answer. */
  heard(): void {
    if (this.#silence !== undefined) this.#silence.refresh();
    else if (!this.#isAnswering) {
      this.#isAnswering = true;
      this.#turn();
    }
  }

  /** Ends all limits; whatever is said of turns afterwards changes nothing. */
  end(): void {
    this.#hasEnded = true;
    this.#server.stop();
    this.#taking.stop();
    this.#quieten();
  }

  #turn(): void {
    if (this.#hasEnded) return;
    this.#quieten();
    if (this.#isUntaken) this.#taking.start();
    else this.#taking.stop();
    if (this.isCallers) {
      this.#server.stop();
      this.#callerSince ??= performance.now();
      return;
    }
    this.#callerSince = undefined;
    this.#server.start();
    if (this.#isAnswering) this.#silence = setTimeout(this.#limits.onSilence, this.#limits.silenceMs);
  }

  #quieten(): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
  }
}

/** Adds up the time in which it runs, up to a limit. */
class Stopwatch {
  readonly #limitMs: number;
  readonly #onLimit: () => void;
  #spentMs = 0;
  #since: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number, onLimit: () => void) {
    this.#limitMs = limitMs;
    this.#onLimit = onLimit;
  }

  get ms(): number {
    return this.#spentMs + (this.#since === undefined ? 0 : performance.now() - this.#since);
  }

  start(): void {
    if (this.#since !== undefined) return;
    this.#since = performance.now();
    this.#timer = setTimeout(this.#onLimit, Math.max(0, this.#limitMs - this.#spentMs));
  }

  stop(): void {
    this.#spentMs = this.ms;
    this.#since = undefined;
    clearTimeout(this.#timer);
  }
}
