import { type Arm, type Crowd, outside, slotsOf } from './crowd.ts';
import type { Speeds } from './speeds.ts';
import type { Block } from './world-spec.ts';

/** Both arms at one gateway. */
export type ArmPair = {
  readonly candidate: Arm;
  readonly baseline: Arm;
  readonly limits: Limits;
  /** Where in the table of latencies the slow ones of the baseline begin. */
  readonly cut: number;
  readonly coin: number;
};

/** From which latency on an answer is slow, before the candidate's own slowness. */
export type Limits = { readonly candidate: number; readonly baseline: number };

type Made = { readonly block: Block; readonly limits: Limits; readonly version: number; readonly pair: ArmPair };

const REMEMBERED = 32;

/** Arms as they were last asked for, made anew when anything about them changes. */
export class Arms {
  readonly #crowd: Crowd;
  readonly #speeds: Speeds;
  readonly #other: readonly Block[];
  readonly #isSticky: boolean;
  readonly #latest: Made[] = [];
  /** The same for all gateways, where callers ask any. */
  #common: Made[] = [];

  constructor(crowd: Crowd, speeds: Speeds, other: Block | undefined, isSticky: boolean) {
    this.#crowd = crowd;
    this.#speeds = speeds;
    this.#other = other === undefined ? [] : [other];
    this.#isSticky = isSticky;
  }

  at(gateway: number, block: Block, limits: Limits): ArmPair {
    const isSame = (made: Made | undefined) =>
      made !== undefined &&
      made.version === this.#crowd.version &&
      made.block.from === block.from &&
      made.block.to === block.to &&
      made.limits.candidate === limits.candidate &&
      made.limits.baseline === limits.baseline;
    const latest = this.#latest[gateway];
    if (latest !== undefined && isSame(latest)) return latest.pair;
    const known = this.#isSticky ? undefined : this.#common.find(isSame);
    const made = known ?? this.#make(gateway, block, limits);
    this.#latest[gateway] = made;
    if (known === undefined) this.#common = [made, ...this.#common].slice(0, REMEMBERED);
    return made.pair;
  }

  #make(gateway: number, { from, to }: Block, limits: Limits): Made {
    const block = { from, to };
    const rest = outside([block, ...this.#other]);
    const arm = (blocks: readonly Block[], limitMs: number) =>
      this.#crowd.arm({ blocks, gateway: this.#isSticky ? gateway : undefined, limitMs });
    const pair = {
      candidate: arm([block], limits.candidate),
      baseline: arm(rest, limits.baseline),
      limits,
      cut: this.#speeds.cutAt(limits.baseline),
      coin: from < to ? (to - from) / (to - from + slotsOf(rest)) : 0,
    };
    return { block, limits, version: this.#crowd.version, pair };
  }
}
