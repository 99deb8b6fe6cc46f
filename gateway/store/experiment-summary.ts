import { isFailure, OUTCOME_CLASSES, type OutcomeClass } from '../flow.ts';
import { bucketOf, LATENCY, quantile } from '../statistics/log-buckets.ts';
import { type Rate, rateOf } from '../statistics/proportion.ts';
import { sampleRatio } from '../statistics/sample-ratio.ts';
import type { Sums } from '../statistics/sums.ts';
import type { ExperimentReading } from './store.ts';

/** How an experiment's arms fare. */
export type ExperimentSummary = {
  readonly arms: readonly ArmSummary[];
  /** Whether units fell into the arms as the policy says; undefined while there are too few. */
  readonly sampleRatio: ReturnType<typeof sampleRatio>;
  /** Units that saw more than one arm: a policy was changed, or callers change their unit. */
  readonly crossed: number;
};

export type ArmSummary = {
  readonly arm: string;
  readonly units: number;
  readonly requests: number;
  /** Failures, of the model or of its servers, among the requests that a server answered or failed to answer. */
  readonly errors: Rate;
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
  readonly p99Ms: number | undefined;
};

/** What one request adds to the sums of its arm. */
export function armSums(outcome: OutcomeClass, latencyMs: number): Sums {
  return new Map([
    [outcome, 1],
    [`latency/${bucketOf(latencyMs, LATENCY)}`, 1],
  ]);
}

/** Reads an experiment's counts; `shares` are the arms' shares by the policy, in any unit. */
export function summariseExperiment(
  { units, sampled, crossed, sums }: ExperimentReading,
  shares: ReadonlyMap<string, number>,
): ExperimentSummary {
  const names = new Set([...shares.keys(), ...units.keys(), ...sums.keys()]);
  const counts = [...shares].map(([arm, share]) => ({ units: sampled.get(arm) ?? 0, share }));
  return {
    arms: [...names].map((arm) => armOf(arm, units.get(arm) ?? 0, sums.get(arm) ?? new Map())),
    sampleRatio: sampleRatio(counts),
    crossed,
  };
}

function armOf(arm: string, units: number, sums: Sums): ArmSummary {
  const count = (classes: readonly OutcomeClass[]) => classes.reduce((sum, name) => sum + (sums.get(name) ?? 0), 0);
  const failures = count(OUTCOME_CLASSES.filter(isFailure));
  const latency = new Map<number, number>();
  for (const [name, count] of sums)
    if (name.startsWith('latency/')) latency.set(Number(name.slice('latency/'.length)), count);
  return {
    arm,
    units,
    requests: count(OUTCOME_CLASSES),
    errors: rateOf(failures, count(['ok']) + failures),
    p50Ms: quantile(latency, 0.5, LATENCY),
    p95Ms: quantile(latency, 0.95, LATENCY),
    p99Ms: quantile(latency, 0.99, LATENCY),
  };
}
