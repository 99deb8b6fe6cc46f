import type { MirrorBudget } from '../../policy/policy.ts';
import { Fifo } from './fifo.ts';

/** Why a copy was never sent. */
export const DROPS = [
  'client_left',
  'shed',
  'overload',
  'too_large',
  'incomplete',
  'paused',
  'bytes',
  'age',
  'no_version',
  'no_path',
  'closing',
] as const;
export type Drop = (typeof DROPS)[number];

/** How a copy that was sent ended: a whole answer of any status, none, or none in time. */
export type Ending = 'answered' | 'failed' | 'timed_out';

/**
 * What became of every copy: offered = sent + dropped + waiting, and sent = answered + failed + timed_out + inFlight, at any
 * time.
 */
export type LaneCounts = Readonly<Record<'offered' | 'sent' | 'waiting' | 'inFlight' | Ending, number>> & {
  readonly dropped: Readonly<Record<Drop, number>>;
};

/** A copy that wants to be sent. */
export type Job = {
  readonly bytes: number;
  /** When it was offered, in milliseconds on the clock of `performance.now()`. */
  readonly at: number;
  /** Sends it. Never rejects. */
  readonly run: () => Promise<Ending>;
};

/** The copies for one shadow: so many in flight, so many bytes, so old, and what is too much goes, the oldest first. */
export class MirrorLane {
  isPaused = false;
  #budget: MirrorBudget;
  readonly #waiting = new Fifo<Job>();
  /** Of everything that waits or is in flight. */
  #bytes = 0;
  #inFlight = 0;
  #isStarting = false;
  readonly #counts = { offered: 0, sent: 0, answered: 0, failed: 0, timed_out: 0 };
  readonly #dropped = Object.fromEntries(DROPS.map((why) => [why, 0])) as Record<Drop, number>;

  constructor(budget: MirrorBudget) {
    this.#budget = budget;
  }

  set budget(budget: MirrorBudget) {
    this.#budget = budget;
  }

  counts(): LaneCounts {
    return {
      ...this.#counts,
      waiting: this.#waiting.length,
      inFlight: this.#inFlight,
      dropped: { ...this.#dropped },
    };
  }

  /** Counts a copy that is not to be sent. */
  refuse(why: Drop): void {
    this.#counts.offered++;
    this.#dropped[why]++;
  }

  /** Takes a copy; it is sent in a later turn of the event loop, when what the caller waits for has been written. */
  offer(job: Job): void {
    if (this.isPaused) {
      this.refuse('paused');
      return;
    }
    this.#counts.offered++;
    this.#waiting.push(job);
    this.#bytes += job.bytes;
    while (this.#bytes > this.#budget.bytes && this.#waiting.length > 0) this.#dropOldest('bytes');
    this.#startSoon();
  }

  /** Drops what has waited too long; whoever owns the lane calls it now and then. */
  sweep(now: number): void {
    for (let oldest = this.#waiting.first; oldest !== undefined; oldest = this.#waiting.first) {
      if (now - oldest.at <= this.#budget.ageMs) break;
      this.#dropOldest('age');
    }
  }

  /** Drops everything that waits. */
  empty(why: Drop): void {
    while (this.#waiting.length > 0) this.#dropOldest(why);
  }

  #startSoon(): void {
    if (this.#isStarting || this.#inFlight >= this.#budget.concurrency) return;
    this.#isStarting = true;
    setImmediate(() => {
      this.#isStarting = false;
      this.sweep(performance.now());
      while (this.#inFlight < this.#budget.concurrency) {
        const job = this.#waiting.shift();
        if (job === undefined) break;
        void this.#run(job);
      }
    });
  }

  async #run(job: Job): Promise<void> {
    this.#counts.sent++;
    this.#inFlight++;
    const ending = await job.run();
    this.#counts[ending]++;
    this.#inFlight--;
    this.#bytes -= job.bytes;
    if (this.#waiting.length > 0) this.#startSoon();
  }

  #dropOldest(why: Drop): void {
    this.#bytes -= this.#waiting.shift()?.bytes ?? 0;
    this.#dropped[why]++;
  }
}
