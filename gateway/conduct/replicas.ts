// What other gateways count for the same rollouts. Each tells its own counts by second and reads the sums; what is its own it
// knows without asking. Nothing waits for the store: with it away a gateway judges by what it counts itself.
import { unlessReportedByStore } from '../errors.ts';
import { addCounts, type BothCounts as Both, countsOf, tallyOf, without } from '../judge/evidence/shared-tally.ts';
import { addTallies, type Traffic } from '../judge/evidence/tally.ts';
import type { OutcomeWindows, VersionCounts } from '../store/store.ts';

/** A second is read this much later: by then every gateway has told it. */
const LATE_S = 2;
/** Seconds that were missed while the store was away are read when it is back, up to here. */
const MOST_S = 60;

/** One rollout between two of its moves. */
type Shared = {
  /** By second, what this gateway counted, and what it has heard of others. The shared clock may be set back. */
  readonly own: Map<number, Both>;
  readonly heard: Map<number, Both>;
  /** Counted by others and not yet handed out. */
  others: Both;
  nextSecond: number;
  isReading: boolean;
};

const NOTHING: Both = { candidate: {}, baseline: {} };

export class Replicas {
  readonly #outcomes: OutcomeWindows;
  readonly #now: () => number;
  readonly #onTrouble: (error: unknown) => void;
  readonly #shared = new Map<string, Shared>();

  /** `now` is the clock that all gateways share, in milliseconds; `onTrouble` hears what the store has not reported itself. */
  constructor(outcomes: OutcomeWindows, now: () => number, onTrouble: (error: unknown) => void) {
    this.#outcomes = outcomes;
    this.#now = now;
    this.#onTrouble = unlessReportedByStore(onTrouble);
  }

  /** This gateway's traffic of a tick, and with it what others have told since the last one. `id` names rollout and move. */
  addOthers(id: string, own: Traffic): Traffic {
    const second = Math.floor(this.#now() / 1000);
    const shared = this.#sharedOf(id, second);
    const told = addBoth(shared.own.get(second) ?? NOTHING, countsOf(own));
    shared.own.set(second, told);
    this.#outcomes.put(id, second, told satisfies VersionCounts);
    const { others } = shared;
    shared.others = NOTHING;
    void this.#read(id, shared, second - LATE_S);
    if (others === NOTHING) return own;
    return {
      candidate: addTallies(own.candidate, tallyOf(others.candidate)),
      baseline: addTallies(own.baseline, tallyOf(others.baseline)),
      coin: own.coin,
    };
  }

  /** Forgets rollouts that are not asked about any more. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#shared.keys()) if (!ids.has(id)) this.#shared.delete(id);
  }

  #sharedOf(id: string, second: number): Shared {
    let shared = this.#shared.get(id);
    if (shared === undefined) {
      // What others counted before this gateway knew of the move counts too.
      const nextSecond = second - LATE_S;
      shared = { own: new Map(), heard: new Map(), others: NOTHING, nextSecond, isReading: false };
      this.#shared.set(id, shared);
    }
    keepLast(shared.own);
    keepLast(shared.heard);
    return shared;
  }

  async #read(id: string, shared: Shared, to: number): Promise<void> {
    if (to < shared.nextSecond - LATE_S) shared.nextSecond = to; // the clock was set back
    if (shared.isReading || to <= shared.nextSecond) return;
    shared.isReading = true;
    try {
      const windows = await this.#outcomes.read(id, Math.max(shared.nextSecond, to - MOST_S), to);
      for (const { second, counts } of windows) {
        const [own, heard] = [shared.own.get(second) ?? NOTHING, shared.heard.get(second) ?? NOTHING];
        const others = bothWithout(counts, own);
        shared.heard.set(second, others);
        shared.others = addBoth(shared.others, bothWithout(others, heard));
      }
      shared.nextSecond = to;
    } catch (error) {
      this.#onTrouble(error); // and the seconds are read when the store is back
    } finally {
      shared.isReading = false;
    }
  }
}

/** The oldest go: what is further back is not read again. */
function keepLast(seconds: Map<number, Both>): void {
  for (const oldest of seconds.keys()) {
    if (seconds.size <= MOST_S + LATE_S) return;
    seconds.delete(oldest);
  }
}

function bothWithout(total: Partial<Both>, part: Both): Both {
  return {
    candidate: without(total.candidate ?? {}, part.candidate),
    baseline: without(total.baseline ?? {}, part.baseline),
  };
}

function addBoth(a: Both, b: Both): Both {
  return { candidate: addCounts(a.candidate, b.candidate), baseline: addCounts(a.baseline, b.baseline) };
}
