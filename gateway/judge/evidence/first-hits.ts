// Who was counted. Within a run a unit counts once for each thing that may speak against a version, so that callers who
// fail again and again, or ask often, weigh no more than others. Memory is bounded: when there are many, only units whose
// number is below a threshold are remembered and counted, in both arms alike.
import { FAMILIES } from './runs.ts';
import type { Hit, ServerClass, Traffic } from './tally.ts';

/** What a unit may be hit by: a failure, the ceiling of the latency, and two edges of slowness. */
export const [FAILED, OVER, SLOW] = [0, 1, 2];
/** Edges of slowness, beginning at signal `SLOW`. */
export const EDGES = 2;
const SIGNALS = SLOW + EDGES;

const UNITS = 2 ** 48;
/** Units remembered; beyond, the half of them with the higher numbers is left out from then on. */
const MOST = 20_000;
/** The candidate's failing units are counted over so long, for the breaker. */
const RECENT_MS = 30_000;

/** First hits of one tick: by signal, family of runs, arm (candidate, baseline) and class of servers. */
export type FirstHits = {
  readonly counts: readonly number[];
  /** All hits, a unit as often as it was hit: by signal and arm. */
  readonly all: readonly number[];
  /** The part of all units that is counted. */
  readonly part: number;
  /** Units of the candidate that failed in the last 30 s. */
  readonly failingUnits: number;
  /** Whether nothing is known of who was counted before: a process that has just started. */
  readonly isNew: boolean;
};

export const NO_HITS: FirstHits = { counts: [], all: [], part: 1, failingUnits: 0, isNew: false };

/** Where hits are looked for. */
export type Limits = {
  /** Milliseconds, rising, by class of servers; empty while the baseline has answered too little. */
  readonly edges: Readonly<Record<ServerClass, readonly number[]>>;
  /** How many times as slow the candidate may be. */
  readonly timesAsSlow: number;
  readonly latencyP99Ms: number | undefined;
};

/** How many first hits of a signal were seen in one family of runs. */
export function countOf({ counts }: FirstHits, signal: number, family: number, arm: 0 | 1, kind?: ServerClass): number {
  if (counts.length === 0) return 0;
  const at = placeOf(signal, family, arm);
  if (kind !== undefined) return counts[at + (kind === 'cpu' ? 0 : 1)] ?? 0;
  return (counts[at] ?? 0) + (counts[at + 1] ?? 0);
}

/** How many hits of a signal were seen, of whomever. */
export function allOf({ all }: FirstHits, signal: number, arm: 0 | 1): number {
  return all[signal * 2 + arm] ?? 0;
}

function placeOf(signal: number, family: number, arm: 0 | 1): number {
  return ((signal * FAMILIES.length + family) * 2 + arm) * 2;
}

type Seen = { readonly counts: number[]; readonly all: number[] };

/** The units of one rollout that were counted in the runs under way. */
export class CountedUnits {
  /** A bit for each signal and family. */
  readonly #units = new Map<number, number>();
  /** The same of ticks without a coin, for a minute: they may not decide who is new where there is one. */
  readonly #alone = new Map<number, number>();
  #aloneMs = 0;
  /** When a failure of the candidate's unit was last seen. */
  readonly #failing = new Map<number, number>();
  #runs: readonly number[] = [];
  #below = UNITS;
  #nowMs = 0;

  /** Takes in a tick of `ms`; `runs` are those under way. */
  take({ candidate, baseline, coin }: Traffic, runs: readonly number[], limits: Limits, ms: number): FirstHits {
    this.#nowMs += ms;
    const isNew = this.#runs.length === 0;
    this.#follow(runs);
    this.#noteFailing(candidate.hits);
    const units = coin === 0 ? this.#alone : this.#units;
    if (coin === 0) this.#forgetAlone(ms);
    const part = this.#below / UNITS;
    const failingUnits = this.#failing.size;
    if (candidate.hits.length === 0 && baseline.hits.length === 0)
      return failingUnits === 0 && part === 1 && !isNew ? NO_HITS : { ...NO_HITS, part, failingUnits, isNew };
    const seen: Seen = {
      counts: new Array(SIGNALS * FAMILIES.length * 4).fill(0),
      all: new Array(SIGNALS * 2).fill(0),
    };
    for (const hit of candidate.hits) this.#count(units, hit, 0, limits, seen);
    for (const hit of baseline.hits) this.#count(units, hit, 1, limits, seen);
    this.#bound();
    return { ...seen, part, failingUnits, isNew };
  }

  #forgetAlone(ms: number): void {
    this.#aloneMs += ms;
    if (this.#aloneMs < (FAMILIES[0] ?? 0)) return;
    this.#aloneMs = 0;
    this.#alone.clear();
  }

  #count(units: Map<number, number>, hit: Hit, arm: 0 | 1, limits: Limits, seen: Seen): void {
    if (hit.unit >= this.#below) return;
    const { latencyP99Ms = Number.POSITIVE_INFINITY } = limits;
    if (hit.isError) this.#countSignal(units, hit, FAILED, arm, seen);
    if (hit.latencyMs > latencyP99Ms) this.#countSignal(units, hit, OVER, arm, seen);
    const edges = limits.edges[hit.serverClass];
    const times = arm === 0 ? limits.timesAsSlow : 1;
    for (let edge = 0; edge < edges.length; edge++)
      if (hit.latencyMs > (edges[edge] ?? 0) * times) this.#countSignal(units, hit, SLOW + edge, arm, seen);
  }

  #countSignal(units: Map<number, number>, hit: Hit, signal: number, arm: 0 | 1, { counts, all }: Seen): void {
    all[signal * 2 + arm] = (all[signal * 2 + arm] ?? 0) + 1;
    const mask = ((1 << FAMILIES.length) - 1) << (signal * FAMILIES.length);
    const before = units.get(hit.unit) ?? 0;
    const isFirst = ~before & mask;
    if (isFirst === 0) return;
    units.set(hit.unit, before | mask);
    const place = hit.serverClass === 'cpu' ? 0 : 1;
    for (let family = 0; family < FAMILIES.length; family++) {
      if ((isFirst & (1 << (signal * FAMILIES.length + family))) === 0) continue;
      const at = placeOf(signal, family, arm) + place;
      counts[at] = (counts[at] ?? 0) + 1;
    }
  }

  #noteFailing(hits: readonly Hit[]): void {
    for (const { unit, isError } of hits)
      if (isError && this.#failing.size < MOST) this.#failing.set(unit, this.#nowMs);
    for (const [unit, at] of this.#failing) if (this.#nowMs - at > RECENT_MS) this.#failing.delete(unit);
  }

  /** Forgets who was counted in families of which another run is under way. */
  #follow(runs: readonly number[]): void {
    let ended = 0;
    for (let family = 0; family < FAMILIES.length; family++)
      if (runs[family] !== this.#runs[family])
        for (let signal = 0; signal < SIGNALS; signal++) ended |= 1 << (signal * FAMILIES.length + family);
    if (ended === 0) return;
    this.#runs = runs;
    for (const [unit, bits] of this.#units) {
      if ((bits & ~ended) === 0) this.#units.delete(unit);
      else this.#units.set(unit, bits & ~ended);
    }
  }

  #bound(): void {
    if (Math.max(this.#units.size, this.#alone.size) <= MOST) return;
    this.#below /= 2;
    for (const units of [this.#units, this.#alone])
      for (const unit of units.keys()) if (unit >= this.#below) units.delete(unit);
  }
}
