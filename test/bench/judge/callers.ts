import { GROUPS, groupOf } from '../../../gateway/judge/evidence/tally.ts';
import { type Arm, type Crowd, isWithin, type Side } from './crowd.ts';
import { type CallerLists, makeCallers } from './make-callers.ts';
import { type Random, Weighted } from './random.ts';
import type { Speeds } from './speeds.ts';
import type { CallersSpec, ErrorsSpec } from './world-spec.ts';

/** Callers who come again. */
export class Callers implements Crowd {
  version = 0;
  readonly #spec: CallersSpec;
  readonly #gateways: number;
  readonly #callers: CallerLists;
  readonly #activity: Float64Array;
  readonly #speeds: Speeds;
  readonly #random: Random;
  #shiftedAt = Number.NEGATIVE_INFINITY;

  constructor(
    { callers, errors, gateways }: { callers: CallersSpec; errors: ErrorsSpec; gateways: number },
    speeds: Speeds,
    { create, draw }: { create: Random; draw: Random },
  ) {
    this.#spec = callers;
    this.#gateways = gateways;
    this.#callers = makeCallers(callers, errors, speeds.classes, create);
    this.#activity = Float64Array.from(this.#callers.activity);
    this.#speeds = speeds;
    this.#random = draw;
  }

  advance(at: number): void {
    const { shift } = this.#spec;
    if (shift === undefined || at < this.#shiftedAt + shift.everyS) return;
    this.#shiftedAt = at;
    this.version++;
    const { activity, phases } = this.#callers;
    let sum = 0;
    for (let i = 0; i < activity.length; i++) {
      const turns = at / shift.periodS + (phases[i] ?? 0);
      const swung = (activity[i] ?? 0) * Math.exp(shift.depth * Math.sin(2 * Math.PI * turns));
      this.#activity[i] = swung;
      sum += swung;
    }
    for (let i = 0; i < activity.length; i++) this.#activity[i] = (this.#activity[i] ?? 0) / sum;
  }

  arm({ blocks, gateway, limitMs }: Side): Arm {
    const { slots, units, failing, speeds } = this.#callers;
    const above = Array.from({ length: this.#speeds.classes }, (_, i) => this.#speeds.partAbove(limitMs, i));
    const sums = new Sums(slots.length, this.#random);
    for (let i = 0; i < slots.length; i++) {
      if (!isWithin(slots[i] ?? 0, blocks) || (gateway !== undefined && this.home(i) !== gateway)) continue;
      const activity = this.#activity[i] ?? 0;
      const fails = activity * (failing[i] ?? 0);
      sums.add(i, groupOf(units[i] ?? 0), activity, fails, (activity - fails) * (above[speeds[i] ?? 0] ?? 0));
    }
    return sums.arm();
  }

  unit(caller: number): number {
    return this.#callers.units[caller] ?? 0;
  }

  slot(caller: number): number {
    return this.#callers.slots[caller] ?? 0;
  }

  home(caller: number): number {
    return Math.floor(this.unit(caller) / GROUPS) % this.#gateways;
  }

  failing(caller: number): number {
    return this.#callers.failing[caller] ?? 0;
  }

  speed(caller: number): number {
    return this.#callers.speeds[caller] ?? 0;
  }
}

/** Running sums over the callers of one side, to draw from by a search. */
class Sums {
  readonly #members: Int32Array;
  readonly #activity: Float64Array;
  readonly #failing: Float64Array;
  readonly #slow: Float64Array;
  readonly #groups = new Float64Array(GROUPS);
  readonly #random: Random;
  #size = 0;
  #sums = { activity: 0, failing: 0, slow: 0 };

  constructor(atMost: number, random: Random) {
    this.#members = new Int32Array(atMost);
    this.#activity = new Float64Array(atMost);
    this.#failing = new Float64Array(atMost);
    this.#slow = new Float64Array(atMost);
    this.#random = random;
  }

  add(caller: number, group: number, activity: number, failing: number, slow: number): void {
    const i = this.#size++;
    this.#members[i] = caller;
    this.#activity[i] = this.#sums.activity += activity;
    this.#failing[i] = this.#sums.failing += failing;
    this.#slow[i] = this.#sums.slow += slow;
    this.#groups[group] = (this.#groups[group] ?? 0) + activity - failing - slow;
  }

  arm(): Arm {
    const groups = new Weighted(this.#groups);
    return {
      ...this.#sums,
      anyone: () => this.#find(this.#activity),
      oneFailing: () => this.#find(this.#failing),
      oneSlow: () => this.#find(this.#slow),
      ordinaryGroup: () => groups.draw(this.#random),
    };
  }

  /** The caller at a random place in running sums. */
  #find(sums: Float64Array): number {
    let high = this.#size - 1;
    const place = this.#random() * (sums[high] ?? 0);
    let low = 0;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) > place) high = middle;
      else low = middle + 1;
    }
    return this.#members[low] ?? 0;
  }
}
