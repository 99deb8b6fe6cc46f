import assert from 'node:assert/strict';
import { type Comparisons, NO_COMPARISONS } from '../../../gateway/judge/evidence/disagreement.ts';
import { emptyHistogram } from '../../../gateway/judge/evidence/histogram.ts';
import { Memory } from '../../../gateway/judge/evidence/memory.ts';
import type { Moment, Observation } from '../../../gateway/judge/evidence/observation.ts';
import { emptyTally, GROUPS, type Hit, type Tally } from '../../../gateway/judge/evidence/tally.ts';
import { liveOf } from '../../../gateway/judge/rollout/live.ts';
import type { Action } from '../../../gateway/judge/rollout/move.ts';
import { advance } from '../../../gateway/judge/rollout/rollout.ts';
import { newRollout, type RolloutState } from '../../../gateway/judge/rollout/state.ts';
import type { PhaseName } from '../../../gateway/judge/rollout/transitions.ts';
import { parsePolicy } from '../../../gateway/policy/load/load.ts';
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

/** Every phase: a record, so that the compiler asks for the new ones. */
const IS_PHASE: Record<PhaseName, true> = {
  pending: true,
  step: true,
  holding: true,
  awaiting_approval: true,
  suspended: true,
  probing: true,
  promoted: true,
  rolled_back: true,
};
export const PHASES = Object.keys(IS_PHASE) as readonly PhaseName[];

export const GUARDED =
  'rollback: { error_rate: 2%, latency_p99: 250ms, versus_baseline: 1.5x, consecutive_failures: 10 }';

/** A failure of a unit that no other tick has. */
export function failure(unit: number, more: Partial<Hit> = {}): Hit {
  return { unit, isError: true, latencyMs: 0, serverClass: 'cpu', ...more };
}

/** A tick in which so many requests were answered and so many of them failed, each of another unit. */
export function tally(requests: number, errors = 0, more: Partial<Tally> = {}): Tally {
  const empty = emptyTally();
  const outcomes = { ...empty.outcomes, ok: requests - errors, model_fault: errors };
  const spread = (count: number) =>
    Array.from({ length: GROUPS }, (_, i) => Math.floor((count + GROUPS - 1 - i) / GROUPS));
  return {
    ...empty,
    outcomes,
    judged: { trials: requests, hits: errors },
    timed: { cpu: requests - errors, gpu: 0 },
    groups: requests === 0 ? empty.groups : { requests: spread(requests), failed: spread(errors) },
    hits: Array.from({ length: errors }, () => failure(nextUnit++)),
    ...more,
  };
}

let nextUnit = 1;

/** A tick of both arms; every tick has other units. `more` overrides parts of it. */
export type Tick = { readonly candidate: Tally; readonly baseline: Tally; readonly more: Partial<Observation> };

export function observe(candidate: Tally, baseline: Tally, more: Partial<Observation> = {}): Tick {
  return { candidate, baseline, more };
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

/** What the judge sees of a tick: units that failed anew in each, and a candidate without callers while it has none. */
export function observation(
  state: RolloutState,
  { candidate, baseline, more }: Tick,
  rollout: Rollout,
  memory: Memory,
  elapsedMs = 1000,
): Observation {
  const live = liveOf(state, rollout, [rollout]);
  const coin = live.is === 'live' ? (live.block.to - live.block.from) / 1_000_000 : 0;
  const fresh = ({ hits, ...tally }: Tally) => ({ ...tally, hits: hits.map((hit) => ({ ...hit, unit: nextUnit++ })) });
  const isAway = live.is === 'suspended' || live.is === 'pending';
  const traffic = {
    candidate: isAway ? emptyTally() : fresh(candidate),
    baseline: fresh(baseline),
    coin: coin === 1 ? 0 : coin,
  };
  return {
    traffic,
    ...memory.observe(traffic, state, rollout, elapsedMs),
    comparisons: NO_COMPARISONS,
    recent: () => ({ cpu: emptyHistogram(), gpu: emptyHistogram() }),
    isReady: true,
    isWarm: true,
    isAsked: true,
    capacity: 1,
    room: 1,
    ...more,
  };
}

/** A rollout that is driven second by second. */
export class Driven {
  state: RolloutState = newRollout('r', 'digits', 'v2', 'v1');
  readonly actions: Action[] = [];
  readonly #rollout: Rollout;
  readonly #memory = new Memory();
  #second = 0;

  constructor(rollout: Rollout) {
    this.#rollout = rollout;
  }

  /** So many seconds in which this is seen. */
  run(seconds: number, seen: Tick, moment: Partial<Moment> = {}): this {
    for (let i = 0; i < seconds; i++) {
      this.#second++;
      const now = { elapsedMs: 1000, at: at(this.#second), isAutomatic: true, ...moment };
      const { state, actions } = advance(
        this.state,
        observation(this.state, seen, this.#rollout, this.#memory, now.elapsedMs),
        this.#rollout,
        now,
      );
      this.state = state;
      this.actions.push(...actions);
    }
    return this;
  }

  /** Seconds until the phase is another one. */
  runUntilMoved(most: number, seen: Tick): number {
    const { epoch } = this.state;
    for (let i = 1; i <= most; i++) if (this.run(1, seen).state.epoch !== epoch) return i;
    return Number.POSITIVE_INFINITY;
  }

  /** Goes on until it is in a phase, an hour at most. */
  runInto(name: RolloutState['phase']['name'], seen: Tick): this {
    for (let i = 0; i < 3600 && this.state.phase.name !== name; i++) this.run(1, seen);
    assert.equal(this.state.phase.name, name);
    return this;
  }

  get moves(): string[] {
    return this.actions.map(({ kind, from, to }) => `${kind === 'moved' ? '' : 'would: '}${from} -> ${to}`);
  }
}
