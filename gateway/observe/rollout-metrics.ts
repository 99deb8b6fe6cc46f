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
  /** By guard, how far the evidence is on the way to a rollback: 1 raises it. */
  readonly evidence: readonly { readonly guard: string; readonly part: number }[];
};

export type RolloutMetrics = { readonly moved: (transition: Transition) => void };

/** Adds the metrics of rollouts. `read` is asked at every scrape. */
export function addRolloutMetrics(registry: Registry, read: () => readonly RolloutReading[]): RolloutMetrics {
  const registers = [registry];
  const transitions = new Counter({
    name: 'sluice_rollout_transitions_total',
    help: 'Moves of a rollout that this gateway made, by what led to them.',
    labelNames: ['model', 'rollout', 'event'],
    registers,
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
    'How far the evidence of a guard is on the way to a rollback, 1 raises it.',
    'guard',
    ({ evidence }) => evidence.map(({ guard, part }) => [guard, part]),
  );
  return {
    moved: ({ kind, model, rollout, event }) => {
      if (kind === 'moved') transitions.inc({ model, rollout, event });
    },
  };
}
