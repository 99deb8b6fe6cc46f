// What was counted in one tick. Everything adds up, over gateways and over time.
import type { OutcomeClass } from '../flow.ts';
import { addHistogram, emptyHistogram, type Histogram } from './histogram.ts';

/** Of so many trials so many were hits: errors, slow answers or disagreements. */
export type Hits = { readonly trials: number; readonly hits: number };

/** One thing that may speak against a version, counted in three ways. */
export type Signal = {
  /** Callers at risk, those of whom nothing was held against them earlier in this minute, and those that were hit now. */
  readonly unit: Hits;
  /** Requests that named no caller. */
  readonly request: Hits;
  /** All requests, each caller's up to its first hit of the minute: a rate in requests, as people think of it. */
  readonly counted: Hits;
};

export type ServerClass = 'cpu' | 'gpu';

/** Answers slower than each edge, in milliseconds; on servers of one class, for a slower class is no slower version. */
export type Slow = { readonly edges: readonly number[]; readonly signals: readonly Signal[] };

/** What one arm did in one tick. */
export type Tally = {
  /** First attempts by class; with `repeats` they are all that was started and has ended. */
  readonly outcomes: Readonly<Record<OutcomeClass, number>>;
  /** Later attempts, which are never judged. */
  readonly repeats: number;
  readonly errors: Signal;
  /** Slower than the ceiling of the latency. */
  readonly over: Signal;
  readonly slow: Readonly<Record<ServerClass, Slow>>;
  readonly histograms: Readonly<Record<ServerClass, Histogram>>;
  /** Failures in a row: those that are the latest, and the most that there were. */
  readonly streak: { readonly latest: number; readonly longest: number };
  /** Ids of requests that show it. */
  readonly examples: { readonly errors: readonly string[]; readonly slow: readonly string[] };
};

/** How many example request ids are kept. */
export const EXAMPLES = 5;

export const NOTHING: Hits = { trials: 0, hits: 0 };
export const SILENCE: Signal = { unit: NOTHING, request: NOTHING, counted: NOTHING };

export function emptyTally(): Tally {
  return {
    outcomes: { ok: 0, model_fault: 0, server_fault: 0, client_fault: 0, shed: 0, client_left: 0 },
    repeats: 0,
    errors: SILENCE,
    over: SILENCE,
    slow: { cpu: { edges: [], signals: [] }, gpu: { edges: [], signals: [] } },
    histograms: { cpu: emptyHistogram(), gpu: emptyHistogram() },
    streak: { latest: 0, longest: 0 },
    examples: { errors: [], slow: [] },
  };
}

export function addHits(a: Hits, b: Hits): Hits {
  return { trials: a.trials + b.trials, hits: a.hits + b.hits };
}

/** The same tick on two gateways. Slow answers of the other count only where it asked at the same edges. */
export function addTallies(own: Tally, other: Tally): Tally {
  return {
    outcomes: {
      ok: own.outcomes.ok + other.outcomes.ok,
      model_fault: own.outcomes.model_fault + other.outcomes.model_fault,
      server_fault: own.outcomes.server_fault + other.outcomes.server_fault,
      client_fault: own.outcomes.client_fault + other.outcomes.client_fault,
      shed: own.outcomes.shed + other.outcomes.shed,
      client_left: own.outcomes.client_left + other.outcomes.client_left,
    },
    repeats: own.repeats + other.repeats,
    errors: addSignals(own.errors, other.errors),
    over: addSignals(own.over, other.over),
    slow: { cpu: addSlow(own.slow.cpu, other.slow.cpu), gpu: addSlow(own.slow.gpu, other.slow.gpu) },
    histograms: {
      cpu: addedHistograms(own.histograms.cpu, other.histograms.cpu),
      gpu: addedHistograms(own.histograms.gpu, other.histograms.gpu),
    },
    streak: {
      latest: Math.max(own.streak.latest, other.streak.latest),
      longest: Math.max(own.streak.longest, other.streak.longest),
    },
    examples: {
      errors: [...own.examples.errors, ...other.examples.errors].slice(0, EXAMPLES),
      slow: [...own.examples.slow, ...other.examples.slow].slice(0, EXAMPLES),
    },
  };
}

/** Whether the numbers can be true: finite, not negative, and no more hits than trials. */
export function isSound({ errors, over, slow, outcomes }: Tally): boolean {
  const signals = [errors, over, ...slow.cpu.signals, ...slow.gpu.signals];
  return (
    signals.every(({ unit, request, counted }) => areSound(unit) && areSound(request) && areSound(counted)) &&
    Object.values(outcomes).every((count) => Number.isFinite(count) && count >= 0)
  );
}

/** Whether so many hits of so many trials can be. */
export function areSound({ trials, hits }: Hits): boolean {
  return Number.isFinite(trials) && hits >= 0 && hits <= trials;
}

function addSignals(a: Signal, b: Signal): Signal {
  return {
    unit: addHits(a.unit, b.unit),
    request: addHits(a.request, b.request),
    counted: addHits(a.counted, b.counted),
  };
}

function addSlow(own: Slow, other: Slow): Slow {
  const isSame = own.edges.length === other.edges.length && own.edges.every((edge, i) => edge === other.edges[i]);
  if (!isSame) return own;
  return { edges: own.edges, signals: own.signals.map((signal, i) => addSignals(signal, other.signals[i] ?? SILENCE)) };
}

function addedHistograms(a: Histogram, b: Histogram): Histogram {
  const sum = a.slice();
  addHistogram(sum, b);
  return sum;
}
