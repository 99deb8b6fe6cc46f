import { Counter, Gauge, type Registry } from 'prom-client';
import type { RolloutMove } from '../standings.ts';

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

export type RolloutMetrics = { readonly moved: (transition: RolloutMove) => void };

type Reader = () => readonly RolloutReading[];

/** One gauge of every rollout: its values by label, or one value where it has no label. */
type RolloutGauge = {
  readonly name: string;
  readonly help: string;
  readonly label?: string;
  readonly valuesOf: (of: RolloutReading) => readonly (readonly [label: string, value: number])[];
};

const GAUGES: readonly RolloutGauge[] = [
  {
    name: 'sluice_rollout_share',
    help: "The candidate's part of the callers now.",
    valuesOf: ({ share }) => [['', share]],
  },
  {
    name: 'sluice_rollout_phase',
    help: 'Always 1; the label is where the rollout is.',
    label: 'phase',
    valuesOf: ({ phase }) => [[phase, 1]],
  },
  {
    name: 'sluice_rollout_evidence_ratio',
    help: 'How far the evidence of a guard is: 1 suspends the candidate or, in a probe, ends the rollout.',
    label: 'guard',
    valuesOf: ({ evidence }) => evidence.map(({ guard, part }) => [guard, part]),
  },
  {
    name: 'sluice_rollout_suspended',
    help: "1 while the candidate's callers are with the baseline, during probes too; the label is the guard that did it.",
    label: 'guard',
    valuesOf: ({ suspended }) => suspended.map(({ guard, is }) => [guard, Number(is)]),
  },
  {
    name: 'sluice_rollout_held',
    help: '1 while the rollout does not go on by itself; the label is the reason.',
    label: 'why',
    valuesOf: ({ held }) => held.map(({ why, is }) => [why, Number(is)]),
  },
  {
    name: 'sluice_rollout_unjudged',
    help: '1 while the rollout is held on its baseline because its state cannot be read or judging it failed.',
    valuesOf: ({ isUnjudged }) => [['', Number(isUnjudged)]],
  },
];

/** Every rollout that may move, whether or not the policy still has it. */
type Known = () => Iterable<Pick<RolloutReading, 'model' | 'rollout'>>;

/**
 * Adds the metrics of rollouts. `read` and `known` are asked at every scrape; the count of each of `events` starts at 0, so
 * that the first one is an increase.
 */
export function addRolloutMetrics(
  registry: Registry,
  read: Reader,
  known: Known,
  events: readonly string[],
): RolloutMetrics {
  const transitions = addTransitions(registry, known, events);
  for (const gauge of GAUGES) addGauge(registry, read, gauge);
  return {
    moved: ({ kind, model, rollout, event }) => {
      if (kind === 'moved') transitions.inc({ model, rollout, event });
    },
  };
}

function addTransitions(registry: Registry, known: Known, events: readonly string[]) {
  return new Counter({
    name: 'sluice_rollout_transitions_total',
    help: 'Moves of a rollout that this gateway made, by what led to them.',
    labelNames: ['model', 'rollout', 'event'],
    registers: [registry],
    collect() {
      for (const { model, rollout } of known()) for (const event of events) this.inc({ model, rollout, event }, 0);
    },
  });
}

function addGauge(registry: Registry, read: Reader, { name, help, label, valuesOf }: RolloutGauge): void {
  new Gauge({
    name,
    help,
    labelNames: ['model', 'version', 'rollout', ...(label === undefined ? [] : [label])],
    registers: [registry],
    collect() {
      this.reset();
      for (const reading of read()) {
        const { model, candidate: version, rollout } = reading;
        for (const [value, amount] of valuesOf(reading))
          this.set({ model, version, rollout, ...(label === undefined ? {} : { [label]: value }) }, amount);
      }
    },
  });
}
