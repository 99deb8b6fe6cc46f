import type { Rollout } from '../policy/policy.ts';
import { Counter, type Heard } from './counter.ts';
import { type RolloutState, stepOf } from './state.ts';
import type { Traffic } from './weigh.ts';

const MINUTE_MS = 60_000;

/**
 * Both arms of one rollout, as one gateway counts them. They forget their callers in the same moment, at least once a
 * minute and whenever a step moves callers from one arm to the other: who was heard where would else be compared unfairly.
 */
export class Arms {
  #candidate: Counter;
  #baseline: Counter;
  /** What the counters were made for. */
  #madeFor: string;
  #minuteMs = 0;

  constructor(state: RolloutState, rollout: Rollout) {
    [this.#candidate, this.#baseline, this.#madeFor] = countersFor(state, rollout);
  }

  /** Takes in one outcome of a request that the rollout's rule gave to this arm: no pin, no experiment. */
  count(arm: 'candidate' | 'baseline', heard: Heard): void {
    (arm === 'candidate' ? this.#candidate : this.#baseline).count(heard);
  }

  /** Ends a tick that lasted so long on a monotonic clock. */
  take(elapsedMs: number): Traffic {
    const traffic = { candidate: this.#candidate.take(), baseline: this.#baseline.take() };
    this.#minuteMs += elapsedMs;
    if (this.#minuteMs >= MINUTE_MS || this.#candidate.isFull || this.#baseline.isFull) {
      this.#candidate.forget();
      this.#baseline.forget();
      this.#minuteMs = 0;
    }
    return traffic;
  }

  /** Goes on as a state asks, after every tick: at its edges, and afresh when its step is another one. */
  follow(state: RolloutState, rollout: Rollout): void {
    const [candidate, baseline, madeFor] = countersFor(state, rollout);
    if (madeFor === this.#madeFor) return;
    [this.#candidate, this.#baseline, this.#madeFor, this.#minuteMs] = [candidate, baseline, madeFor, 0];
  }
}

function countersFor(state: RolloutState, rollout: Rollout): [candidate: Counter, baseline: Counter, madeFor: string] {
  const { edges, phase } = state;
  const limits = { edges, latencyMs: rollout.guards?.latencyP99Ms, isJudged: rollout.guards !== undefined };
  const step = phase.name === 'pending' ? -1 : stepOf(state, rollout.steps.length);
  const madeFor = JSON.stringify([step, rollout.blocks[step], limits]);
  return [new Counter(limits), new Counter(limits), madeFor];
}
