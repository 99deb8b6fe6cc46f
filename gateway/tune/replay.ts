// Quality, cost and latency of the ways in which a set of inputs could have been answered.
import { rateOf, Z_95 } from '../observe/statistics/proportion.ts';
import { THRESHOLDS } from './thresholds.ts';
import { isRight, type Said, type Target, type Trial } from './trial.ts';
import { type Climb, type Walk, walkAll } from './walk.ts';

/** A figure with the bounds of its 95 % interval. */
export type Interval = { readonly is: number; readonly low: number; readonly high: number };

/** How one way of answering did. */
export type Way = {
  readonly name: string;
  /** Right answers, as a part of 1: Wilson's interval. */
  readonly quality: Interval;
  /** Minus that of always asking the last tier: Wald's interval for paired shares (Agresti, Categorical Data Analysis, 11.1). */
  readonly difference: Interval;
  /** As a part of always asking the last tier, and where as many other inputs would put it. Undefined without costs. */
  readonly cost: Interval | undefined;
  readonly meanMs: number;
  readonly p99Ms: number;
  /** Part of the inputs that each tier answered. */
  readonly shares: ReadonlyMap<string, number>;
};

/** A point of a curve: what two tiers come to with one threshold between them. */
export type Point = { readonly threshold: number; readonly quality: number; readonly cost: number };

/** The curve of one pair of tiers, from "all is passed on" to "nothing is". */
export type Curve = { readonly lower: string; readonly upper: string; readonly points: readonly Point[] };

export type Replay = {
  readonly inputs: number;
  readonly target: Target;
  /** Each tier alone, from fast to accurate. */
  readonly singles: readonly Way[];
  /** Each pair with the cheapest threshold that kept the quality on the first half of the inputs, shown on the second. */
  readonly pairs: readonly Way[];
  /** The ladders asked for, by name. */
  readonly ladders: readonly Way[];
  readonly oracle: Way;
  readonly curves: readonly Curve[];
  /** Ladders that one tier alone beats: at least as good at no higher cost. */
  readonly beaten: readonly { readonly ladder: string; readonly by: string }[];
};

/** Two-sided 95 % of Student's distribution with 19 degrees of freedom. */
const T_19 = 2.093024054408263;
const GROUPS = 20;
/** What a pair may lose against the last tier where its threshold is chosen. */
const TOLERATED_LOSS = 0.005;

/** Replays every way on the trials that all tiers have answered. `ladders` are policies to replay, by name. */
export function replay(
  tiers: readonly string[],
  ladders: ReadonlyMap<string, Climb>,
  trials: readonly Trial[],
  target: Target,
): Replay {
  const last = tiers.at(-1) ?? '';
  const ruler: Ruler = { last, target, base: walkAll(alone(last), trials) };
  const singles = tiers.map((tier) => wayOf(`always ${tier}`, walkAll(alone(tier), trials), ruler));
  const ways = [...ladders].map(([name, climb]) => wayOf(name, walkAll(climb, trials), ruler));
  const couples = tiers.flatMap((lower, i) => tiers.slice(i + 1).map((upper) => [lower, upper] as const));
  return {
    inputs: trials.length,
    target,
    singles,
    pairs: couples.flatMap(([lower, upper]) => bestPair(lower, upper, trials, ruler)),
    ladders: ways,
    oracle: wayOf(
      'oracle',
      trials.flatMap((trial) => oracle(tiers, trial, ruler)),
      ruler,
    ),
    curves: couples.map(([lower, upper]) => curveOf(lower, upper, trials, ruler)),
    beaten: ways.flatMap((ladder) => {
      const by = singles.find((single) => beats(single, ladder));
      return by === undefined ? [] : [{ ladder: ladder.name, by: by.name }];
    }),
  };
}

type Ruler = { readonly last: string; readonly target: Target; readonly base: readonly Walk[] };

function alone(tier: string): Climb {
  return { tiers: [tier], start: tier, below: new Map(), calibrations: new Map(), budget: undefined };
}

function pairOf(lower: string, upper: string, threshold: number): Climb {
  return { ...alone(lower), tiers: [lower, upper], below: new Map([[lower, threshold]]) };
}

/** The cheapest tier that is right; the cheapest of all where none is. */
function oracle(tiers: readonly string[], trial: Trial, { last, target }: Ruler): Walk[] {
  const by = tiers.find((tier) => isRight(trial, tier, last, target)) ?? tiers[0] ?? '';
  const answer = trial.tiers.get(by);
  return answer === undefined ? [] : [{ trial, answer, by, asked: [answer] }];
}

function bestPair(lower: string, upper: string, trials: readonly Trial[], ruler: Ruler): Way[] {
  const half = Math.floor(trials.length / 2);
  const [first, second] = [trials.slice(0, half), trials.slice(half)];
  const best = THRESHOLDS.map((threshold) => ({ threshold, walks: walkAll(pairOf(lower, upper, threshold), first) }))
    .filter(({ walks }) => qualityOf(walks, ruler) >= qualityOf(ruler.base.slice(0, half), ruler) - TOLERATED_LOSS)
    .at(-1);
  if (best === undefined || second.length === 0) return [];
  const name = `${lower} below ${best.threshold}, then ${upper}`;
  return [
    wayOf(name, walkAll(pairOf(lower, upper, best.threshold), second), { ...ruler, base: ruler.base.slice(half) }),
  ];
}

function curveOf(lower: string, upper: string, trials: readonly Trial[], ruler: Ruler): Curve {
  const all = totalCost(ruler.base);
  const points = THRESHOLDS.map((threshold): Point => {
    const walks = walkAll(pairOf(lower, upper, threshold), trials);
    return { threshold, quality: qualityOf(walks, ruler), cost: totalCost(walks) / all };
  });
  return { lower, upper, points };
}

function beats(single: Way, ladder: Way): boolean {
  const [one, other] = [single.cost?.is ?? single.meanMs, ladder.cost?.is ?? ladder.meanMs];
  return single.quality.is >= ladder.quality.is && one <= other;
}

function wayOf(name: string, walks: readonly Walk[], ruler: Ruler): Way {
  const n = Math.max(1, walks.length);
  const latencies = walks
    .map(({ asked }) => asked.reduce((sum, said) => sum + said.latencyMs, 0))
    .sort((a, b) => a - b);
  const shares = new Map<string, number>();
  for (const { by } of walks) shares.set(by, (shares.get(by) ?? 0) + 1 / n);
  return {
    name,
    quality: shareOf(walks.filter((walk) => isGood(walk, ruler)).length, walks.length),
    difference: pairedDifference(walks, ruler),
    cost: costOf(walks, ruler),
    meanMs: latencies.reduce((sum, ms) => sum + ms, 0) / n,
    p99Ms: latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * 0.99))] ?? 0,
    shares,
  };
}

function isGood({ trial, by }: Walk, { last, target }: Ruler): boolean {
  return isRight(trial, by, last, target) === true;
}

function qualityOf(walks: readonly Walk[], ruler: Ruler): number {
  return walks.filter((walk) => isGood(walk, ruler)).length / Math.max(1, walks.length);
}

function pairedDifference(walks: readonly Walk[], ruler: Ruler): Interval {
  const n = Math.max(1, walks.length);
  const good = walks.map((walk) => isGood(walk, ruler));
  const base = ruler.base.map((walk) => isGood(walk, ruler));
  const won = good.filter((is, i) => is && base[i] === false).length;
  const lost = good.filter((is, i) => !is && base[i] === true).length;
  const spread = (Z_95 * Math.sqrt(won + lost - (won - lost) ** 2 / n)) / n;
  const is = (won - lost) / n;
  return { is, low: is - spread, high: is + spread };
}

/**
 * The ratio of two sums over the same inputs. Its variance is that of the delete-a-group jackknife (Efron and Tibshirani, An
 * Introduction to the Bootstrap, chapter 11); twice that is the variance of the difference to another run of this size.
 */
function costOf(walks: readonly Walk[], { base }: Ruler): Interval | undefined {
  const isKnown = (walk: Walk) => walk.asked.every(({ cost }) => cost !== undefined);
  if (walks.length === 0 || !walks.every(isKnown) || !base.every(isKnown)) return undefined;
  const groups = Math.min(GROUPS, walks.length);
  const sums = Array.from({ length: groups }, () => ({ spent: 0, always: 0 }));
  for (const [i, walk] of walks.entries()) {
    const sum = sums[Math.floor((i * groups) / walks.length)];
    if (sum === undefined) continue;
    sum.spent += spent(walk.asked);
    sum.always += spent(base[i]?.asked ?? []);
  }
  const [all, always] = [totalCost(walks), totalCost(base)];
  const is = all / always;
  const without = sums.map((sum) => (all - sum.spent) / (always - sum.always));
  const mean = without.reduce((sum, each) => sum + each, 0) / groups;
  const variance = ((groups - 1) / groups) * without.reduce((sum, each) => sum + (each - mean) ** 2, 0);
  const spread = T_19 * Math.sqrt(2 * variance);
  return Number.isFinite(spread) ? { is, low: is - spread, high: is + spread } : { is, low: is, high: is };
}

function totalCost(walks: readonly Walk[]): number {
  return walks.reduce((sum, { asked }) => sum + spent(asked), 0);
}

function spent(asked: readonly Said[]): number {
  return asked.reduce((sum, { cost = 0 }) => sum + cost, 0);
}

function shareOf(count: number, of: number): Interval {
  const { rate, low, high } = rateOf(count, of);
  return { is: rate, low, high };
}
