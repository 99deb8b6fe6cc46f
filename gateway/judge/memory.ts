// What one gateway remembers of callers between two moves of a rollout. It is gone with the process: then runs begin anew.
import type { Rollout } from '../policy/policy.ts';
import { CallerRates, type Look, NO_LOOKS } from './callers.ts';
import { CountedUnits, type FirstHits, NO_HITS } from './first-hits.ts';
import type { RolloutState } from './state.ts';
import type { Traffic } from './tally.ts';

export class Memory {
  #epoch = -1;
  #units = new CountedUnits();
  #rates = new CallerRates();

  /** Who of a tick's units was hit for the first time, and what callers' own rates say where a look is due. */
  observe(
    traffic: Traffic,
    state: RolloutState,
    { guards }: Pick<Rollout, 'guards'>,
    ms: number,
  ): { readonly hits: FirstHits; readonly looks: readonly Look[] } {
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
    if (traffic.coin === 0) return { hits, looks: NO_LOOKS };
    return { hits, looks: this.#rates.add(traffic, ms, guards.versusBaseline, evidence.looks.count) };
  }

  /** A move has changed who is in which arm, or what is asked of them. */
  #begin(epoch: number): void {
    this.#epoch = epoch;
    this.#units = new CountedUnits();
    this.#rates = new CallerRates();
  }
}

const NOTHING = { hits: NO_HITS, looks: NO_LOOKS } as const;
