// What a policy will do over time and to the load, worked out before it runs.
import { SLOTS } from '../../decide/bucket.ts';
import type { Experiment, Guards, Policy, Rollout, ServedModel, Step, TieredModel } from '../../policy/policy.ts';
import type { PolicyFile } from '../../policy/schema.ts';
import { shareOf, unitText } from './policy-text.ts';

export type Plan = {
  readonly rollouts: readonly RolloutPlan[];
  readonly shadows: readonly ShadowPlan[];
  readonly experiments: readonly ExperimentPlan[];
  readonly ladders: readonly LadderPlan[];
  /** The longest that a rollback takes, by each way there is. */
  readonly rollback: {
    readonly by_edit_ms: number;
    /** A suspension or rollback at gateways that share a store; `null` where nothing judges a rollout. */
    readonly automatic_within_ms: number | null;
  };
};

/** A step, and the earliest it can start: after bake times and, besides, approvals that take as long as they take. */
export type StepPlan = Step & { readonly after_ms: number; readonly approvals: number };

export type RolloutPlan = {
  readonly model: string;
  readonly id: string;
  readonly baseline: string;
  readonly candidate: string;
  readonly unit: string;
  /** Where its block of callers starts. */
  readonly from: number;
  readonly steps: readonly StepPlan[];
  /** Copies of real requests that each server of the candidate answers before its first callers. */
  readonly warm_up: number;
  /** `null` where nothing watches the candidate. */
  readonly guards: GuardsPlan | null;
};

/** What suspends a candidate; `null` is no such guard. Rates are parts of 1. */
export type GuardsPlan = {
  readonly action: 'rollback' | 'freeze' | 'dry_run';
  /** How many times as often it may fail, and how many times as slow it may be. */
  readonly errors_versus_baseline: number;
  readonly latency_versus_baseline: number;
  readonly error_rate: number | null;
  readonly latency_p99_ms: number | null;
  readonly consecutive_failures: number;
  /** Before the first probe; each probe that finds the same doubles it. */
  readonly pause_ms: number;
  readonly disagreement: number | null;
  readonly false_alarm: number;
};

export type ShadowPlan = {
  readonly model: string;
  readonly to: string;
  /** Requests sent besides, as a share of the model's own. */
  readonly extra: number;
};

export type ExperimentPlan = {
  readonly model: string;
  readonly id: string;
  readonly unit: string;
  readonly holdout: number;
  readonly arms: readonly { readonly version: string; readonly share: number; readonly up_to: number }[];
  /** The callers in no arm. */
  readonly rest: number;
};

export type LadderPlan = {
  readonly model: string;
  readonly tiers: readonly { readonly tier: string; readonly model: string }[];
  readonly rules: number;
  readonly no_signal?: string;
};

/** A change of the file is visible to new requests within this time. */
const RELOAD_MS = 250;
/** A rollback is effective on every gateway that shares the store within this time of its verdict. */
const SHARED_MS = 2000;

/** The plan of a policy: shadows from the file as written, all else from what it compiles to. */
export function planOf(written: PolicyFile, policy: Policy): Plan {
  const models = [...policy.models.values()];
  const served = models.filter((model): model is ServedModel => model.kind === 'served');
  const tiered = models.filter((model): model is TieredModel => model.kind === 'tiers');
  const isJudged = served.some(({ rollouts }) => rollouts.some(({ guards }) => guards !== undefined));
  return {
    rollouts: served.flatMap((model) => model.rollouts.map((rollout) => rolloutPlan(model, rollout))),
    shadows: shadowPlans(written),
    experiments: served.flatMap(({ name, experiment }) => (experiment ? [experimentPlan(name, experiment)] : [])),
    ladders: tiered.map(ladderPlan),
    rollback: { by_edit_ms: RELOAD_MS, automatic_within_ms: isJudged ? SHARED_MS : null },
  };
}

/** Each step with the earliest time it can start. */
export function timed(steps: readonly Step[]): StepPlan[] {
  let after_ms = 0;
  let approvals = 0;
  return steps.map((step) => {
    const plan = { ...step, after_ms, approvals };
    if (typeof step.until === 'object') after_ms += step.until.bakeMs;
    else if (step.until === 'approved') approvals++;
    return plan;
  });
}

function rolloutPlan(
  model: ServedModel,
  { id, candidate, buckets, steps, live, warmUp, guards }: Rollout,
): RolloutPlan {
  return {
    model: model.name,
    id,
    baseline: model.baseline.label,
    candidate: candidate.label,
    unit: unitText(buckets.unit),
    from: live.from / SLOTS,
    steps: timed(steps),
    warm_up: warmUp,
    guards: guards === undefined ? null : guardsPlan(guards),
  };
}

function guardsPlan(guards: Guards): GuardsPlan {
  return {
    action: guards.action,
    errors_versus_baseline: guards.versusBaseline,
    latency_versus_baseline: guards.versusBaselineLatency,
    error_rate: guards.errorRate ?? null,
    latency_p99_ms: guards.latencyP99Ms ?? null,
    consecutive_failures: guards.consecutiveFailures,
    pause_ms: guards.pauseMs,
    disagreement: guards.disagreement ?? null,
    false_alarm: guards.falseAlarm,
  };
}

function shadowPlans({ models }: PolicyFile): ShadowPlan[] {
  return Object.entries(models).flatMap(([model, written]) => {
    if ('tiers' in written) return [];
    return (written.shadow ?? []).map(({ version, model: other, sample }) => ({
      model,
      to: version ?? `model ${other}`,
      extra: sample,
    }));
  });
}

function experimentPlan(model: string, { id, buckets, arms, holdout }: Experiment): ExperimentPlan {
  return {
    model,
    id,
    unit: unitText(buckets.unit),
    holdout: shareOf(holdout.live),
    arms: arms.map(({ version, live, reserved }) => ({
      version: version.label,
      share: shareOf(live),
      up_to: shareOf(reserved),
    })),
    // In slots: shares of 1 would leave the noise of their subtraction.
    rest: arms.reduce((slots, { live }) => slots - (live.to - live.from), SLOTS) / SLOTS,
  };
}

function ladderPlan({ name, ladder, rules, noSignal }: TieredModel): LadderPlan {
  return {
    model: name,
    tiers: [...ladder].map(([tier, model]) => ({ tier, model: model.name })),
    rules: rules.length,
    ...(noSignal === undefined ? {} : { no_signal: noSignal }),
  };
}
