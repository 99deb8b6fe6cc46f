// Callers by their own rates. Units are dealt into 64 groups by bits of their hash that have nothing to do with their slot;
// each group's failure rate is one observation, however often its callers ask. That sees what first failures cannot: few
// callers, small differences, callers who all have failed once. The standard error comes from the spread between groups
// (cluster-robust), looks are taken at growing intervals, and each has its own part of the risk.
import { GROUPS, type Traffic } from './tally.ts';

/** Sums by group since the run began. */
type Arm = { readonly requests: Float64Array; readonly failed: Float64Array };

/** What one look at the groups found. */
export type Look = {
  /** Which look it is, from 0; each has its part of the risk. */
  readonly index: number;
  /** Probability of such a difference or a larger one between versions of which one fails `tolerated` times as often. */
  readonly p: number;
  /** Mean failure rates of the groups, in parts of 1. */
  readonly candidate: number;
  readonly baseline: number;
};

/** Groups in which someone asked, in each arm, before a look means anything; and groups of the candidate that failed. */
export const FEWEST = 20;
const FEWEST_FAILED = 5;

const FIRST_LOOK_MS = 60_000;
const GROWTH = 1.25;
/** A second run begins anew so often, so that what turned bad late is not thinned by what was good before. */
const AGAIN_MS = 20 * 60_000;

/** In how many groups someone asked, by arm. */
export type Crowd = { readonly candidate: number; readonly baseline: number };

export const NO_CROWD: Crowd = { candidate: 0, baseline: 0 };

/** One run: sums, its age and when the next look is due. */
class Run {
  readonly #longest: number;
  readonly #candidate = nobody();
  readonly #baseline = nobody();
  #ageMs = 0;
  #nextMs = FIRST_LOOK_MS;

  constructor(longest: number) {
    this.#longest = longest;
  }

  add({ candidate, baseline }: Traffic, ms: number): void {
    addGroups(this.#candidate, candidate.groups);
    addGroups(this.#baseline, baseline.groups);
    this.#ageMs += ms;
  }

  get isDue(): boolean {
    return this.#ageMs >= this.#nextMs;
  }

  /** How many groups asked so far. */
  get crowd(): Crowd {
    return { candidate: countActive(this.#candidate), baseline: countActive(this.#baseline) };
  }

  /** What the groups say now; undefined where they are too few. */
  look(tolerated: number): Omit<Look, 'index'> | undefined {
    const found = compareGroups(this.#candidate, this.#baseline, tolerated);
    this.#nextMs = this.#ageMs * GROWTH;
    if (this.#ageMs >= this.#longest) this.#begin();
    return found;
  }

  #begin(): void {
    for (const { requests, failed } of [this.#candidate, this.#baseline]) {
      requests.fill(0);
      failed.fill(0);
    }
    [this.#ageMs, this.#nextMs] = [0, FIRST_LOOK_MS];
  }
}

/** Sums by group of a rollout since its step began, and since a while; gone with the process, and then begun anew. */
export class CallerRates {
  readonly #runs = [new Run(Number.POSITIVE_INFINITY), new Run(AGAIN_MS)];

  /** Takes in a tick; gives the looks that were due. `index` is the number of looks so far. */
  add(traffic: Traffic, ms: number, tolerated: number, index: number): readonly Look[] {
    let looks: Look[] | undefined;
    for (const run of this.#runs) {
      run.add(traffic, ms);
      const found = run.isDue ? run.look(tolerated) : undefined;
      if (found === undefined) continue;
      looks ??= [];
      looks.push({ ...found, index: index + looks.length });
    }
    return looks ?? NO_LOOKS;
  }

  /** How many groups asked since the step began. */
  get crowd(): Crowd {
    return this.#runs[0]?.crowd ?? NO_CROWD;
  }
}

export const NO_LOOKS: readonly Look[] = [];

/** The part of the risk that look `index` may take; all parts add up to less than 1. The first forty share nine tenths evenly. */
export function partOfLook(index: number): number {
  const EVEN = 40;
  return index < EVEN ? 0.9 / EVEN : 0.1 / ((index - EVEN + 1) * (index - EVEN + 2));
}

/**
 * Welch's test on the groups' rates: whether the candidate's mean exceeds `tolerated` times the baseline's. Undefined where
 * too few groups asked or failed.
 */
export function compareGroups(candidate: Arm, baseline: Arm, tolerated: number): Omit<Look, 'index'> | undefined {
  const failing = candidate.failed.reduce((sum, failed) => sum + (failed > 0 ? 1 : 0), 0);
  const [mine, theirs] = [momentsOf(candidate), momentsOf(baseline)];
  if (mine.groups < FEWEST || theirs.groups < FEWEST || failing < FEWEST_FAILED) return undefined;
  const [a, b] = [mine.variance / mine.groups, (tolerated ** 2 * theirs.variance) / theirs.groups];
  const difference = mine.mean - tolerated * theirs.mean;
  const means = { candidate: mine.mean, baseline: theirs.mean };
  // All groups are alike, as when everything fails.
  if (a + b === 0) return { p: difference > 0 ? 0 : 1, ...means };
  const freedom = (a + b) ** 2 / (a ** 2 / (mine.groups - 1) + b ** 2 / (theirs.groups - 1));
  return { p: upperTail(normalOf(difference / Math.sqrt(a + b), freedom)), ...means };
}

function countActive({ requests }: Arm): number {
  let count = 0;
  for (const asked of requests) if (asked > 0) count++;
  return count;
}

function momentsOf({ requests, failed }: Arm): { groups: number; mean: number; variance: number } {
  let [groups, sum, squares] = [0, 0, 0];
  for (let i = 0; i < GROUPS; i++) {
    const asked = requests[i] ?? 0;
    if (asked === 0) continue;
    const rate = (failed[i] ?? 0) / asked;
    groups++;
    sum += rate;
    squares += rate * rate;
  }
  const mean = groups === 0 ? 0 : sum / groups;
  return { groups, mean, variance: groups < 2 ? 0 : Math.max(0, (squares - groups * mean * mean) / (groups - 1)) };
}

/** The normal deviate that is as unlikely as Student's t with `freedom` degrees of freedom (Wallace 1959). */
function normalOf(t: number, freedom: number): number {
  const z = Math.sqrt(freedom * Math.log1p((t * t) / freedom)) * ((8 * freedom + 1) / (8 * freedom + 3));
  return t < 0 ? -z : z;
}

/** Probability that a normal variable exceeds z, to 1.2e-7 of its size (Numerical Recipes, erfc by Chebyshev fitting). */
export function upperTail(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.5 * x);
  const series = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  ];
  const sum = series.reduce((value, coefficient) => coefficient + t * value, 0);
  const tail = 0.5 * t * Math.exp(-x * x - 1.26551223 + t * sum);
  return z >= 0 ? tail : 1 - tail;
}

function nobody(): Arm {
  return { requests: new Float64Array(GROUPS), failed: new Float64Array(GROUPS) };
}

function addGroups({ requests, failed }: Arm, tick: Traffic['candidate']['groups']): void {
  for (let i = 0; i < tick.requests.length; i++) requests[i] = (requests[i] ?? 0) + (tick.requests[i] ?? 0);
  for (let i = 0; i < tick.failed.length; i++) failed[i] = (failed[i] ?? 0) + (tick.failed[i] ?? 0);
}
