// What one gateway remembers of callers between two moves of a rollout. It is gone with the process: then runs begin anew.
import type { Rollout } from '../../policy/policy.ts';
import type { RolloutState } from '../rollout/state.ts';
import { CallerRates, type Crowd, type Look, NO_CROWD, NO_LOOKS } from './callers.ts';
import { CountedUnits, type FirstHits, NO_HITS } from './first-hits.ts';
import type { Traffic } from './tally.ts';

export class Memory {
  #epoch = -1;
  #units = new CountedUnits();
  #rates = new CallerRates();

  /** Who of a tick's units was hit for the first time, what callers' own rates say where a look is due, and how many ask. */
  observe(
    traffic: Traffic,
    state: RolloutState,
    { guards }: Pick<Rollout, 'guards'>,
    ms: number,
  ): { readonly hits: FirstHits; readonly looks: readonly Look[]; readonly crowd: Crowd } {
    if (guards === undefined || state.phase.name === 'pending' || state.phase.name === 'suspended') return NOTHING;
    if (this.#epoch !== state.epoch) this.#begin(state.epoch);
    const { evidence, edges } = state;
    const hits = this.#units.take(
      traffic,
      evidence.clock.runs,
      {
        edges,
        timesAsSlow: guards.versusBaselineLatency,
        latencyP99Ms: guards.latencyP99Ms,
      },
      ms,
    );
    const looks =
      traffic.coin === 0 ? NO_LOOKS : this.#rates.add(traffic, ms, guards.versusBaseline, evidence.looks.count);
    return { hits, looks, crowd: this.#rates.crowd };
  }

  /** A move has changed who is in which arm, or what is asked of them. */
  #begin(epoch: number): void {
    this.#epoch = epoch;
    this.#units = new CountedUnits();
    this.#rates = new CallerRates();
  }
}

const NOTHING = { hits: NO_HITS, looks: NO_LOOKS, crowd: NO_CROWD } as const;
