// What people, probes and metrics read of a running gateway, each written once: plain values, since this gateway started.

/** One ladder of tiers as it does now. */
export type LadderStanding = {
  readonly requests: number;
  /** Answers that callers got, by tier. */
  readonly answers: Readonly<Record<string, number>>;
  /** Predictions that tiers made, by tier: what is paid for. */
  readonly runs: Readonly<Record<string, number>>;
  /** Answers that were passed on, and answers that should have been, by the reason. */
  readonly escalations: Readonly<Record<string, number>>;
  readonly degraded: Readonly<Record<string, number>>;
  /** By group of callers: `all`, or those of the policy and `other`. */
  readonly groups: Readonly<Record<string, GroupCosts>>;
  /** Of the last 200 requests, the part that a tier was not sure of. */
  readonly wantedShare: number;
  /** Whether that is far beyond the budget: then a tier has lost its confidence, or its answers cannot be read. */
  readonly isAlarmed: boolean;
  /** What was passed on where the ladder was tuned; undefined when the policy does not say. */
  readonly expectedShare: number | undefined;
  /** Whether the last requests are further from that than chance explains: then inputs or models have changed. */
  readonly isDrifting: boolean;
  /** By tier, of those that have a calibration and have answered. */
  readonly calibrations: Readonly<Record<string, 'applied' | 'other_file' | 'unknown_file'>>;
  /** In the policy's unit: spent, and what the last tier alone would have cost. Undefined where the policy has no costs. */
  readonly cost: { readonly spent: number; readonly alwaysLast: number } | undefined;
};

/** In the policy's unit: spent, and what the last tier alone would have cost. */
export type GroupCosts = { readonly requests: number; readonly spent: number; readonly alwaysLast: number };

/** A shadow as it is now. */
export type ShadowStanding = {
  readonly name: string;
  /** `v2`, or another model's name. */
  readonly target: string;
  readonly sample: number;
  readonly isPaused: boolean;
  readonly counts: ShadowCounts;
};

/** What became of the copies for one shadow, and what is on its way; what was never sent by the reason. */
export type ShadowCounts = {
  readonly offered: number;
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  readonly timed_out: number;
  readonly waiting: number;
  readonly inFlight: number;
  readonly dropped: Readonly<Record<string, number>>;
};

/** An address of a server of the fleet as it is now; a name may lead to several. */
export type ServerStanding = {
  readonly name: string;
  readonly address: string | undefined;
  readonly standing: string;
  readonly inFlight: number;
};

/** One move of a rollout, or one that a dry run only speaks of. */
export type RolloutMove = {
  readonly kind: 'moved' | 'would_move';
  readonly model: string;
  readonly rollout: string;
  readonly candidate: string;
  readonly baseline: string;
  readonly event: string;
  readonly from: string;
  readonly to: string;
  readonly by: { readonly kind: string };
  /** ISO time. */
  readonly at: string;
  readonly sentence: string;
  readonly isUrgent: boolean;
  /** Ids of requests that show it. */
  readonly examples: readonly string[];
  /** Whether the other gateways can see it. */
  readonly isShared: boolean;
};
