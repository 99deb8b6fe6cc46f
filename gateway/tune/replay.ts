// Quality, cost and latency of the ways in which a set of inputs could have been answered.
import { pairedDifference } from '../statistics/paired-difference.ts';
import { rateOf } from '../statistics/proportion.ts';
import { ratioOfSums } from '../statistics/ratio-of-sums.ts';
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
  /** Minus that of always asking the last tier: Bonett and Price's interval for paired shares. */
  readonly difference: Interval;
  /** As a part of always asking the last tier. Undefined without costs. */
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
  const singles = tiers.map((tier) => {
    const way = wayOf(`always ${tier}`, walkAll(alone(tier), trials), ruler, oneOf([tier]));
    return tier === last ? itself(way) : way;
  });
  const ways = [...ladders].map(([name, climb]) => wayOf(name, walkAll(climb, trials), ruler, upTo(climb.tiers)));
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
      oneOf(tiers),
    ),
    curves: couples.map(([lower, upper]) => curveOf(lower, upper, trials, ruler)),
    beaten: ways.flatMap((ladder) => {
      const by = singles.find((single) => beats(single, ladder));
      return by === undefined ? [] : [{ ladder: ladder.name, by: by.name }];
    }),
  };
}

/** The least and the most that a way may ask for one input. */
type Reach = (trial: Trial) => readonly [least: number, most: number];

/** One of these tiers. */
function oneOf(tiers: readonly string[]): Reach {
  return ({ tiers: said }) => {
    const costs = tiers.map((tier) => said.get(tier)?.cost ?? 0);
    return [Math.min(...costs), Math.max(...costs)];
  };
}

/** The first of these tiers, or more, up to all of them. */
function upTo(tiers: readonly string[]): Reach {
  return ({ tiers: said }) => {
    const costs = tiers.map((tier) => said.get(tier)?.cost ?? 0);
    return [costs[0] ?? 0, costs.reduce((sum, cost) => sum + cost, 0)];
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
  const walks = walkAll(pairOf(lower, upper, best.threshold), second);
  return [wayOf(name, walks, { ...ruler, base: ruler.base.slice(half) }, upTo([lower, upper]))];
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

/** The measure of the others is itself, and no estimate. */
function itself(way: Way): Way {
  return { ...way, difference: exactly(0), cost: way.cost && exactly(1) };
}

function exactly(is: number): Interval {
  return { is, low: is, high: is };
}

function wayOf(name: string, walks: readonly Walk[], ruler: Ruler, reach: Reach): Way {
  const n = Math.max(1, walks.length);
  const latencies = walks
    .map(({ asked }) => asked.reduce((sum, said) => sum + said.latencyMs, 0))
    .sort((a, b) => a - b);
  const shares = new Map<string, number>();
  for (const { by } of walks) shares.set(by, (shares.get(by) ?? 0) + 1 / n);
  return {
    name,
    quality: shareOf(walks.filter((walk) => isGood(walk, ruler)).length, walks.length),
    difference: differenceOf(walks, ruler),
    cost: costOf(walks, ruler, reach),
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

function differenceOf(walks: readonly Walk[], ruler: Ruler): Interval {
  const n = Math.max(1, walks.length);
  const good = walks.map((walk) => isGood(walk, ruler));
  const base = ruler.base.map((walk) => isGood(walk, ruler));
  const won = good.filter((is, i) => is && base[i] === false).length;
  const lost = good.filter((is, i) => !is && base[i] === true).length;
  const { low, high } = pairedDifference(won, lost, walks.length);
  // Nothing can be better than what is right by definition.
  return { is: (won - lost) / n, low, high: ruler.target === 'labels' ? high : Math.min(high, 0) };
}

function costOf(walks: readonly Walk[], { base }: Ruler, reach: Reach): Interval | undefined {
  const isKnown = (walk: Walk) => walk.asked.every(({ cost }) => cost !== undefined);
  if (walks.length === 0 || !walks.every(isKnown) || !base.every(isKnown)) return undefined;
  const reaches = walks.map(({ trial }) => reach(trial));
  const [least, most] = [0, 1].map((end) => reaches.reduce((sum, each) => sum + (each[end] ?? 0), 0) / walks.length);
  const parts = walks.map(({ asked }, i) => ({ above: spent(asked), below: spent(base[i]?.asked ?? []) }));
  const bounds = ratioOfSums(parts, least ?? 0, most ?? 0);
  return bounds && { is: totalCost(walks) / totalCost(base), ...bounds };
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
