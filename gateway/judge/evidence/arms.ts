import type { Rollout } from '../../policy/policy.ts';
import type { RolloutState } from '../rollout/state.ts';
import { Counter, MOST_HITS } from './counter.ts';
import type { Heard } from './outcome.ts';
import type { Traffic } from './tally.ts';

/** Both arms of one rollout, as one gateway counts them between two ticks. */
export class Arms {
  readonly #candidate = new Counter();
  readonly #baseline = new Counter();

  /** Takes in one outcome of a request that the rollout's rule gave to this arm: no pin, no experiment. */
  count(arm: 'candidate' | 'baseline', heard: Heard, body: Uint8Array): void {
    (arm === 'candidate' ? this.#candidate : this.#baseline).count(heard, body);
  }

  /** Ends a tick. `coin` is the candidate's part of the units in it. */
  take(coin: number): Traffic {
    const [candidate, baseline] = [this.#candidate.take(), this.#baseline.take()];
    // Where the hits of one arm were cut off, what is left is no fair sample of both.
    const isCut = Math.max(candidate.hits.length, baseline.hits.length) >= MOST_HITS;
    return { candidate, baseline, coin: isCut ? 0 : coin };
  }

  /** Leaves out what was counted since the last tick: the arms have other callers from now on. */
  restart(): void {
    this.#candidate.take();
    this.#baseline.take();
  }

  /** Goes on as a state asks, after every tick: only what is slower than this matters one by one. */
  follow({ edges }: RolloutState, { guards }: Pick<Rollout, 'guards'>): void {
    const ceiling = guards?.latencyP99Ms ?? Number.POSITIVE_INFINITY;
    const slowFrom = (own: readonly number[]) => Math.min(ceiling, own[0] ?? Number.POSITIVE_INFINITY);
    for (const counter of [this.#candidate, this.#baseline])
      counter.slowFrom = { cpu: slowFrom(edges.cpu), gpu: slowFrom(edges.gpu) };
  }
}
