// How the total risk of throwing a good candidate out is divided: over the guards, over the steps, and over the moments at
// which a candidate may turn bad. All of it adds up to the policy's `false_alarm`, for a rollout of any length.
import type { Guards } from '../policy/policy.ts';

/** The guards that weigh evidence. The breaker has no part: its rule is explicit. */
export type WeighedGuard =
  | 'errors_versus_baseline'
  | 'latency_versus_baseline'
  | 'error_rate'
  | 'latency_p99'
  | 'disagreement';

/** Errors against the baseline is the guard that sees most failures first, so it may look hardest. */
const PARTS: Readonly<Record<WeighedGuard, number>> = {
  errors_versus_baseline: 3,
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

/**
 * The part of a guard's risk that may be spent on "it turned bad just now", in a step (from 0) and at a tick of that step
 * (from 0, counting only ticks that could tell something). Over all steps and ticks the parts add up to 1, without an end:
 * half is for the first step and, of each step, 41 % for its first tick.
 */
export function partOf(step: number, tick: number): number {
  return (unspent(tick) - unspent(tick + 1)) / ((step + 1) * (step + 2));
}

function unspent(ticks: number): number {
  return 1 / (1 + Math.log1p(ticks));
}
