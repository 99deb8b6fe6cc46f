import { GROUPS } from '../../../gateway/judge/evidence/tally.ts';
import { type Arm, type Crowd, type Side, SLOTS, slotsOf } from './crowd.ts';
import { meanFailing, newUnit } from './make-callers.ts';
import { type Random, Weighted, wholeBelow } from './random.ts';
import type { Speeds } from './speeds.ts';
import type { ErrorsSpec } from './world-spec.ts';

/** Callers of whom each comes once. All that is known of one is the class of its speed, which is its number. */
export class Strangers implements Crowd {
  readonly version = 0;
  readonly #failing: number;
  readonly #gateways: number;
  readonly #speeds: Speeds;
  readonly #random: Random;

  constructor({ errors, gateways }: { errors: ErrorsSpec; gateways: number }, speeds: Speeds, random: Random) {
    this.#failing = meanFailing(errors);
    this.#gateways = gateways;
    this.#speeds = speeds;
    this.#random = random;
  }

  advance(): void {}

  arm({ blocks, gateway, limitMs }: Side): Arm {
    const { classes } = this.#speeds;
    const above = Array.from({ length: classes }, (_, i) => this.#speeds.partAbove(limitMs, i));
    const activity = slotsOf(blocks) / SLOTS / (gateway === undefined ? 1 : this.#gateways);
    const failing = activity * this.#failing;
    const slow = ((activity - failing) * above.reduce((sum, part) => sum + part, 0)) / classes;
    const slowSpeeds = new Weighted(above);
    const anyone = () => wholeBelow(classes, this.#random);
    return {
      activity,
      failing,
      slow,
      anyone,
      oneFailing: anyone,
      oneSlow: () => slowSpeeds.draw(this.#random),
      ordinaryGroup: () => wholeBelow(GROUPS, this.#random),
    };
  }

  unit(): number {
    return newUnit(this.#random);
  }

  slot(): number {
    return wholeBelow(SLOTS, this.#random);
  }

  home(): number {
    return wholeBelow(this.#gateways, this.#random);
  }

  failing(): number {
    return this.#failing;
  }

  speed(caller: number): number {
    return caller;
  }
}
