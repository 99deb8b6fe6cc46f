import { SLOTS } from './crowd.ts';
import { normal, type Random, wholeBelow } from './random.ts';
import type { CallersSpec, ErrorsSpec } from './world-spec.ts';

/** What callers are like, each list by caller. */
export type CallerLists = {
  readonly slots: Int32Array;
  readonly units: Float64Array;
  /** The part of all requests that is theirs. */
  readonly activity: Float64Array;
  /** The probability that a request of theirs fails. */
  readonly failing: Float64Array;
  readonly speeds: Uint8Array;
  /** When their activity swings, in turns. */
  readonly phases: Float64Array;
};

export function makeCallers(spec: CallersSpec, errors: ErrorsSpec, speeds: number, random: Random): CallerLists {
  const { count, slots = [] } = spec;
  return {
    slots: new Int32Array(count).map((_, i) => slots[i] ?? wholeBelow(SLOTS, random)),
    units: new Float64Array(count).map(() => newUnit(random)),
    activity: activityOf(spec),
    failing: failingOf(count, errors, random),
    speeds: new Uint8Array(count).map(() => wholeBelow(speeds, random)),
    phases: new Float64Array(count).map(random),
  };
}

/** A unit's number: 48 random bits. */
export function newUnit(random: Random): number {
  return wholeBelow(2 ** 24, random) * 2 ** 24 + wholeBelow(2 ** 24, random);
}

/** The part of all requests that fails, whoever asks. */
export function meanFailing({ base = 0.005, some = [] }: ErrorsSpec): number {
  return 1 - some.reduce((good, kind) => good * (1 - ('part' in kind ? kind.part * kind.p : 0)), 1 - base);
}

function activityOf({ count, activity = 'uniform' }: CallersSpec): Float64Array {
  const weights = new Float64Array(count).map((_, i) => {
    if (activity === 'uniform') return 1;
    if (activity === 'zipf') return 1 / (i + 1);
    if (count === 1) return 1;
    return i === 0 ? activity.heavy : (1 - activity.heavy) / (count - 1);
  });
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

function failingOf(count: number, { base = 0.005, sigma = 0, some = [] }: ErrorsSpec, random: Random): Float64Array {
  const failing = new Float64Array(count).map(() =>
    Math.min(1, sigma > 0 ? base * Math.exp(sigma * normal(random) - sigma ** 2 / 2) : base),
  );
  for (const kind of some) {
    const many = 'part' in kind ? Math.round(kind.part * count) : Math.min(kind.count, count);
    const chosen = new Set<number>();
    while (chosen.size < many) chosen.add(wholeBelow(count, random));
    for (const i of chosen) failing[i] = 1 - (1 - (failing[i] ?? 0)) * (1 - kind.p);
  }
  return failing;
}
