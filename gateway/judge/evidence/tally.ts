// What was counted in one tick. Everything adds up, over gateways and over time.
import type { OutcomeClass } from '../../flow.ts';
import { addHistogram, emptyHistogram, type Histogram } from './histogram.ts';
import { addLists } from './mixture.ts';

/** A number of trials, and how many of them were hits: errors, slow answers or disagreements. */
export type Hits = { readonly trials: number; readonly hits: number };

export type ServerClass = 'cpu' | 'gpu';

/**
 * One request that may speak against a version: it failed, or it took long. Only these carry the identity of their unit;
 * of all others the sums are enough.
 */
export type Hit = {
  /** The unit's number, an integer in [0, 2^48), the same at every gateway; its lowest bits name its group. */
  readonly unit: number;
  readonly isError: boolean;
  /** Milliseconds, where the latency counts; 0 where it does not. */
  readonly latencyMs: number;
  readonly serverClass: ServerClass;
};

/** The number of groups into which units are dealt, by the lowest bits of their number, which have nothing to do with their slot. */
export const GROUPS = 64;

/** The group of a unit. */
export function groupOf(unit: number): number {
  return unit % GROUPS;
}

/** What one arm did in one tick. */
export type Tally = {
  /** First attempts by class; with `repeats` they are all that was started and has ended. */
  readonly outcomes: Readonly<Record<OutcomeClass, number>>;
  /** Later attempts, which are never judged. */
  readonly repeats: number;
  /** Requests that show whether the version fails, and those that failed. */
  readonly judged: Hits;
  /** Answers whose latency counts, by class of servers. */
  readonly timed: Readonly<Record<ServerClass, number>>;
  /** `judged` by group of units, `GROUPS` entries each. Empty arrays are all zeros. */
  readonly groups: { readonly requests: readonly number[]; readonly failed: readonly number[] };
  readonly hits: readonly Hit[];
  readonly histograms: Readonly<Record<ServerClass, Histogram>>;
  /** Ids of requests that show it. */
  readonly examples: { readonly errors: readonly string[]; readonly slow: readonly string[] };
};

/** What both arms of a rollout did in one tick, on all gateways that are known. */
export type Traffic = {
  readonly candidate: Tally;
  readonly baseline: Tally;
  /**
   * The probability that a unit of these two arms belongs to the candidate, by the slots of both: candidate / (candidate +
   * baseline). 0 where the tick had no fair coin: a share that changed, or a candidate that was withheld.
   */
  readonly coin: number;
};

/** How many example request ids are kept. */
export const EXAMPLES = 5;

export const NOTHING: Hits = { trials: 0, hits: 0 };

/** A histogram of nothing, shared by all tallies that have none of their own: never written to. */
export const NO_LATENCIES: Histogram = emptyHistogram();

export function emptyTally(): Tally {
  return {
    outcomes: { ok: 0, model_fault: 0, server_fault: 0, client_fault: 0, own_limit: 0, shed: 0, client_left: 0 },
    repeats: 0,
    judged: NOTHING,
    timed: { cpu: 0, gpu: 0 },
    groups: { requests: [], failed: [] },
    hits: [],
    histograms: { cpu: NO_LATENCIES, gpu: NO_LATENCIES },
    examples: { errors: [], slow: [] },
  };
}

export function addHits(a: Hits, b: Hits): Hits {
  return { trials: a.trials + b.trials, hits: a.hits + b.hits };
}

/** The same tick on two gateways. */
export function addTallies(own: Tally, other: Tally): Tally {
  return {
    outcomes: {
      ok: own.outcomes.ok + other.outcomes.ok,
      model_fault: own.outcomes.model_fault + other.outcomes.model_fault,
      server_fault: own.outcomes.server_fault + other.outcomes.server_fault,
      client_fault: own.outcomes.client_fault + other.outcomes.client_fault,
      own_limit: own.outcomes.own_limit + other.outcomes.own_limit,
      shed: own.outcomes.shed + other.outcomes.shed,
      client_left: own.outcomes.client_left + other.outcomes.client_left,
    },
    repeats: own.repeats + other.repeats,
    judged: addHits(own.judged, other.judged),
    timed: { cpu: own.timed.cpu + other.timed.cpu, gpu: own.timed.gpu + other.timed.gpu },
    groups: {
      requests: addLists(own.groups.requests, other.groups.requests),
      failed: addLists(own.groups.failed, other.groups.failed),
    },
    hits: other.hits.length === 0 ? own.hits : [...own.hits, ...other.hits],
    histograms: {
      cpu: addedHistograms(own.histograms.cpu, other.histograms.cpu),
      gpu: addedHistograms(own.histograms.gpu, other.histograms.gpu),
    },
    examples: {
      errors: [...own.examples.errors, ...other.examples.errors].slice(0, EXAMPLES),
      slow: [...own.examples.slow, ...other.examples.slow].slice(0, EXAMPLES),
    },
  };
}

/** Whether the numbers can be true: finite, not negative, and no more hits than trials. */
export function isSound({ judged, timed, outcomes }: Tally): boolean {
  return areSound(judged) && [...Object.values(outcomes), timed.cpu, timed.gpu].every(isCount);
}

/** Whether these numbers of hits and trials are possible together. */
export function areSound({ trials, hits }: Hits): boolean {
  return Number.isFinite(trials) && hits >= 0 && hits <= trials;
}

function isCount(value: number): boolean {
  return Number.isFinite(value) && value >= 0;
}

function addedHistograms(a: Histogram, b: Histogram): Histogram {
  if (b === NO_LATENCIES) return a;
  const sum = a.slice();
  addHistogram(sum, b);
  return sum;
}
