// How the total risk of ending a good candidate is divided: over the guards, over the probes, over the steps, and over the
// moments at which a candidate may turn bad. All of it adds up to the policy's `false_alarm`, for a rollout of any length.
import type { Guards } from '../../policy/policy.ts';

/** The guards that weigh evidence. The breaker has no part: it only suspends. */
export type WeighedGuard =
  | 'errors_versus_baseline'
  | 'latency_versus_baseline'
  | 'error_rate'
  | 'latency_p99'
  | 'disagreement';

/** The guard that sees most failures first gets most. It costs the others little, for a risk matters by its logarithm. */
const PARTS: Readonly<Record<WeighedGuard, number>> = {
  errors_versus_baseline: 6,
  latency_versus_baseline: 1,
  error_rate: 1,
  latency_p99: 1,
  disagreement: 1,
};

/** The guards of a policy that weigh evidence. */
export function weighedGuards(guards: Guards): WeighedGuard[] {
  return (Object.keys(PARTS) as WeighedGuard[]).filter(
    (guard) =>
      (guard !== 'error_rate' || guards.errorRate !== undefined) &&
      (guard !== 'latency_p99' || guards.latencyP99Ms !== undefined) &&
      (guard !== 'disagreement' || guards.disagreement !== undefined),
  );
}

/** The risk of a false alarm that a guard of this policy may take over the whole rollout. */
export function riskOf(guard: WeighedGuard, guards: Guards): number {
  const total = weighedGuards(guards).reduce((sum, each) => sum + PARTS[each], 0);
  return (guards.falseAlarm * PARTS[guard]) / total;
}

/** Evidence at which a guard suspends. It may be weak, for a suspension is undone when a probe finds nothing. */
const SUSPENDS = 25;

/** Evidence that a suspension needs after this number of acquittals: all suspensions share one risk. */
export function neededToSuspend(acquittals: number): number {
  return (SUSPENDS * (acquittals + 1) * (acquittals + 2)) / 2;
}

/** Evidence that ends a rollout in its probe number `probe`, from 1. The parts of all probes add up to 1. */
export function neededToEnd(guard: WeighedGuard, guards: Guards, probe: number): number {
  return (Math.max(1, probe) * (Math.max(1, probe) + 1)) / riskOf(guard, guards);
}

/**
 * The part of a guard's risk that may be spent on "it turned bad just now", in a step (from 0) and at a tick of that step
 * (from 0, counting only ticks that could tell something). Over all steps and ticks the parts add up to 1, without an end.
 * Three quarters are for the first step, where the share is smallest and evidence slowest; of each step, 70 % are for its
 * first tick.
 */
export function partOf(step: number, tick: number): number {
  return (leftBeforeStep(step) - leftBeforeStep(step + 1)) * (leftBeforeTick(tick) - leftBeforeTick(tick + 1));
}

function leftBeforeStep(step: number): number {
  return 1 / (step + 1) ** 2;
}

/** Falls about as slowly as a series can whose parts still add up, so that no time is too late to turn bad. */
function leftBeforeTick(tick: number): number {
  return tick === 0 ? 1 : 0.5 / (1 + Math.log1p(tick));
}
