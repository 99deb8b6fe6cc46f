import assert from 'node:assert/strict';
import { type Comparisons, NO_COMPARISONS } from '../../../gateway/judge/disagreement.ts';
import { emptyHistogram } from '../../../gateway/judge/histogram.ts';
import type { Action } from '../../../gateway/judge/move.ts';
import { advance, type Moment, type Observation } from '../../../gateway/judge/rollout.ts';
import { newRollout, type RolloutState } from '../../../gateway/judge/state.ts';
import { emptyTally, type Hits, type Signal, type Tally } from '../../../gateway/judge/tally.ts';
import { parsePolicy } from '../../../gateway/policy/load.ts';
import type { Rollout, ServedModel } from '../../../gateway/policy/policy.ts';

/** A model with v1 as the baseline and v2 and v3 beside it. */
export function modelWith(rollouts: string, baseline = 'v1'): ServedModel {
  const text = `apiVersion: sluice/v1
fleet: { s: { url: "http://127.0.0.1:9" } }
models:
  digits:
    timeout: 1s
    versions: { v1: { servers: [s] }, v2: { servers: [s] }, v3: { servers: [s] } }
    baseline: ${baseline}
    ${rollouts}
`;
  const model = parsePolicy(text, 'p').models.get('digits');
  assert.ok(model?.kind === 'served');
  return model;
}

/** The one rollout of a model, `r` of v2, with further keys as they stand in a policy. */
export function rolloutWith(keys: string): Rollout {
  const [rollout] = modelWith(`rollout: { id: r, candidate: v2, unit: header u, ${keys} }`).rollouts;
  assert.ok(rollout);
  return rollout;
}

export const GUARDED =
  'rollback: { error_rate: 2%, latency_p99: 250ms, versus_baseline: 1.5x, consecutive_failures: 10 }';

/** Counts in which every request counts for itself. */
export function signal(trials: number, hits: number): Signal {
  const counts: Hits = { trials, hits };
  return { unit: { trials: 0, hits: 0 }, request: counts, counted: counts };
}

/** A tick in which so many requests were answered and so many of them failed. */
export function tally(requests: number, errors = 0, more: Partial<Tally> = {}): Tally {
  const empty = emptyTally();
  const outcomes = { ...empty.outcomes, ok: requests - errors, model_fault: errors };
  return { ...empty, outcomes, errors: signal(requests, errors), ...more };
}

/** A tick of both arms; `more` overrides parts of it. */
export function observe(candidate: Tally, baseline: Tally, more: Partial<Observation> = {}): Observation {
  const recent = { cpu: emptyHistogram(), gpu: emptyHistogram() };
  return { traffic: { candidate, baseline }, comparisons: NO_COMPARISONS, recent, isReady: true, capacity: 1, ...more };
}

export const HEALTHY = observe(tally(5), tally(95));
export const NO_TRAFFIC = observe(tally(0), tally(0));
export const FAILING = observe(tally(5, 4), tally(95));
export const BOTH_FAILING = observe(tally(5, 2), tally(95, 38));

export function compared(raw: readonly [number, number], noise: readonly [number, number]): Comparisons {
  return { raw: { trials: raw[0], hits: raw[1] }, noise: { trials: noise[0], hits: noise[1] } };
}

export const PERSON = { kind: 'person', name: 'ada' } as const;

/** The time of second `n` of a test. */
export function at(n: number): string {
  return new Date(Date.UTC(2026, 0, 1) + n * 1000).toISOString();
}

/** A rollout that is driven second by second. */
export class Driven {
  state: RolloutState = newRollout('r', 'digits', 'v2', 'v1');
  readonly actions: Action[] = [];
  readonly #rollout: Rollout;
  #second = 0;

  constructor(rollout: Rollout) {
    this.#rollout = rollout;
  }

  /** So many seconds in which this is seen. */
  run(seconds: number, seen: Observation, moment: Partial<Moment> = {}): this {
    for (let i = 0; i < seconds; i++) {
      this.#second++;
      const now = { elapsedMs: 1000, at: at(this.#second), isAutomatic: true, ...moment };
      const { state, actions } = advance(this.state, seen, this.#rollout, now);
      this.state = state;
      this.actions.push(...actions);
    }
    return this;
  }

  /** Seconds until the phase is another one. */
  runUntilMoved(most: number, seen: Observation): number {
    const { epoch } = this.state;
    for (let i = 1; i <= most; i++) if (this.run(1, seen).state.epoch !== epoch) return i;
    return Number.POSITIVE_INFINITY;
  }

  get moves(): string[] {
    return this.actions.map(({ kind, from, to }) => `${kind === 'moved' ? '' : 'would: '}${from} -> ${to}`);
  }
}
