// What a server's recent results say about it. The clock is an argument: milliseconds of any monotonic source.
// After Envoy's outlier detection: failures in a row or a failure rate, and an ejection that grows with each one.

/** Failures in a row after which a server is left alone for a while. */
const EJECT_AFTER = 3;
/** Or this share of failures, once so many requests were answered or not within the last 5 to 10 s. */
const EJECT_RATE = 0.5;
const RATE_NEEDS = 20;
const WINDOW_MS = 5000;

const FIRST_EJECTION_MS = 1000;
const LONGEST_EJECTION_MS = 30_000;
/** A server that was well for so long after an ejection has its past forgotten. */
const FORGIVEN_AFTER_MS = 60_000;

/** A server that is new or back takes its share of the load little by little. */
const SLOW_START_MS = 10_000;
const SLOW_START_FROM = 0.1;

/** What a server may be sent: anything; one real request, to see whether it is back; or nothing. */
export type Standing = 'healthy' | 'probing' | 'ejected';

type Window = { since: number; answered: number; failed: number };

/** The health of one server. */
export class Health {
  #failuresInARow = 0;
  #ejections = 0;
  /** The same, but never forgiven. */
  #timesOut = 0;
  #ejectedUntil = 0;
  #isOut = false;
  #backSince: number;
  #now: Window;
  #before: Window = { since: 0, answered: 0, failed: 0 };

  constructor(now: number) {
    this.#backSince = now;
    this.#now = { since: now, answered: 0, failed: 0 };
  }

  get failuresInARow(): number {
    return this.#failuresInARow;
  }

  /** How often the server was ejected since this gateway knows it: what was learnt of it before may be outdated. */
  get timesOut(): number {
    return this.#timesOut;
  }

  /** The server answered. */
  succeeded(now: number): void {
    this.#turn(now).answered++;
    this.#failuresInARow = 0;
    if (!this.#isOut || now < this.#ejectedUntil) return; // an answer that was on its way when it was ejected
    this.#isOut = false;
    this.#backSince = now;
  }

  /** The server failed to answer: unreachable, broken or too late. */
  failed(now: number): void {
    // What was in flight when the server was ejected fails with it: the same event, not a failed probe.
    if (this.#isOut && now < this.#ejectedUntil) return;
    this.#turn(now).failed++;
    this.#failuresInARow++;
    if (this.#isOut || this.#failuresInARow >= EJECT_AFTER || this.#failsOften()) this.#eject(now);
  }

  standing(now: number): Standing {
    if (!this.#isOut) return 'healthy';
    return now < this.#ejectedUntil ? 'ejected' : 'probing';
  }

  /** The share of its full load that a server may take now, in (0, 1]: it grows while it is new or back. */
  ramp(now: number): number {
    const share = (now - this.#backSince) / SLOW_START_MS;
    return share >= 1 ? 1 : Math.max(SLOW_START_FROM, share);
  }

  #eject(now: number): void {
    if (!this.#isOut && now - this.#ejectedUntil > FORGIVEN_AFTER_MS) this.#ejections = 0;
    this.#ejectedUntil = now + Math.min(FIRST_EJECTION_MS * 2 ** this.#ejections, LONGEST_EJECTION_MS);
    this.#ejections++;
    this.#timesOut++;
    this.#isOut = true;
    this.#now = { since: now, answered: 0, failed: 0 };
    this.#before = { ...this.#now };
  }

  #failsOften(): boolean {
    const failed = this.#now.failed + this.#before.failed;
    const all = failed + this.#now.answered + this.#before.answered;
    return all >= RATE_NEEDS && failed >= all * EJECT_RATE;
  }

  #turn(now: number): Window {
    const age = now - this.#now.since;
    if (age < WINDOW_MS) return this.#now;
    this.#before = age < 2 * WINDOW_MS ? this.#now : { since: now, answered: 0, failed: 0 };
    this.#now = { since: now, answered: 0, failed: 0 };
    return this.#now;
  }
}
