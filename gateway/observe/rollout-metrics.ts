import { Counter, Gauge, type Registry } from 'prom-client';
import type { Transition } from './transition.ts';

/** What the gauges read of a rollout. */
export type RolloutReading = {
  readonly model: string;
  readonly rollout: string;
  readonly candidate: string;
  readonly phase: string;
  /** The part of the callers that the candidate has now. */
  readonly share: number;
  /** By guard, how far the evidence is: 1 raises it. */
  readonly evidence: readonly { readonly guard: string; readonly part: number }[];
  /** Every guard that may suspend the candidate, and whether it has. */
  readonly suspended: readonly { readonly guard: string; readonly is: boolean }[];
  /** Every reason for which a rollout does not go on by itself, and whether it is so. */
  readonly held: readonly { readonly why: string; readonly is: boolean }[];
  /** Whether it is held on its baseline because its state cannot be read, or because judging it failed. */
  readonly isUnjudged: boolean;
};

/** Moves that people watch: their counts start at 0, so that the first one is an increase. */
const WATCHED = ['suspend', 'probe', 'passed', 'failed', 'give_up', 'fail', 'rollback'] as const;

export type RolloutMetrics = { readonly moved: (transition: Transition) => void };

/** Adds the metrics of rollouts. `read` is asked at every scrape. */
export function addRolloutMetrics(registry: Registry, read: () => readonly RolloutReading[]): RolloutMetrics {
  const registers = [registry];
  const transitions = new Counter({
    name: 'sluice_rollout_transitions_total',
    help: 'Moves of a rollout that this gateway made, by what led to them.',
    labelNames: ['model', 'rollout', 'event'],
    registers,
    collect() {
      for (const { model, rollout } of read()) for (const event of WATCHED) this.inc({ model, rollout, event }, 0);
    },
  });
  const gauge = (
    name: string,
    help: string,
    label: string | undefined,
    set: (of: RolloutReading) => [string, number][],
  ) =>
    new Gauge({
      name,
      help,
      labelNames: ['model', 'version', 'rollout', ...(label === undefined ? [] : [label])],
      registers,
      collect() {
        this.reset();
        for (const reading of read()) {
          const { model, candidate: version, rollout } = reading;
          for (const [value, amount] of set(reading))
            this.set({ model, version, rollout, ...(label === undefined ? {} : { [label]: value }) }, amount);
        }
      },
    });
  gauge('sluice_rollout_share', "The candidate's part of the callers now.", undefined, ({ share }) => [['', share]]);
  gauge('sluice_rollout_phase', 'Always 1; the label is where the rollout is.', 'phase', ({ phase }) => [[phase, 1]]);
  gauge(
    'sluice_rollout_evidence_ratio',
    'How far the evidence of a guard is: 1 suspends the candidate or, in a probe, ends the rollout.',
    'guard',
    ({ evidence }) => evidence.map(({ guard, part }) => [guard, part]),
  );
  gauge(
    'sluice_rollout_suspended',
    "1 while the candidate's callers are with the baseline, during probes too; the label is the guard that did it.",
    'guard',
    ({ suspended }) => suspended.map(({ guard, is }) => [guard, Number(is)]),
  );
  gauge(
    'sluice_rollout_held',
    '1 while the rollout does not go on by itself; the label is the reason.',
    'why',
    ({ held }) => held.map(({ why, is }) => [why, Number(is)]),
  );
  gauge(
    'sluice_rollout_unjudged',
    '1 while the rollout is held on its baseline because its state cannot be read or judging it failed.',
    undefined,
    ({ isUnjudged }) => [['', Number(isUnjudged)]],
  );
  return {
    moved: ({ kind, model, rollout, event }) => {
      if (kind === 'moved') transitions.inc({ model, rollout, event });
    },
  };
}
