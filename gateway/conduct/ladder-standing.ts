// How a ladder does, as people and metrics read it.
import type { CalibrationStanding } from '../decide/calibrate.ts';
import type { Degradation, EscalationReason } from '../decide/escalate.ts';

/** Why a calibration is ignored, in words. */
export const CALIBRATION_IGNORED = {
  other_file: 'the server has another model file than the one it was fitted on; tune again',
  unknown_file: 'the server has not told which model file it has',
} as const satisfies Record<Exclude<CalibrationStanding, 'applied'>, string>;

/** Running totals of one ladder. */
export type LadderCounts = {
  readonly requests: number;
  /** Answers that callers got, by tier. */
  readonly answers: Readonly<Record<string, number>>;
  /** Predictions that tiers made, by tier: what is paid for. */
  readonly runs: Readonly<Record<string, number>>;
  readonly escalations: Readonly<Record<EscalationReason, number>>;
  readonly degraded: Readonly<Record<Degradation, number>>;
  /** By group of callers: `all`, or those of the policy and `other`. */
  readonly groups: Readonly<Record<string, GroupCosts>>;
};

/** In the policy's unit: spent, and what the last tier alone would have cost. */
export type GroupCosts = { readonly requests: number; readonly spent: number; readonly alwaysLast: number };

/** One ladder as it does now. */
export type LadderStanding = LadderCounts & {
  /** Of the last 200 requests, the part that a tier was not sure of. */
  readonly wantedShare: number;
  /** Whether that is far beyond the budget: then a tier has lost its confidence, or its answers cannot be read. */
  readonly isAlarmed: boolean;
  /** What was passed on where the ladder was tuned; undefined when the policy does not say. */
  readonly expectedShare: number | undefined;
  /** Whether the last requests are further from that than chance explains: then inputs or models have changed. */
  readonly isDrifting: boolean;
  /** By tier, of those that have a calibration and have answered. */
  readonly calibrations: Readonly<Record<string, CalibrationStanding>>;
  /** In the policy's unit: spent, and what the last tier alone would have cost. Undefined where the policy has no costs. */
  readonly cost: { readonly spent: number; readonly alwaysLast: number } | undefined;
};

export type TieringListener = {
  /** Hears when the alarm of a ladder begins and ends. */
  readonly onAlarm: (model: string, isAlarmed: boolean, wantedShare: number) => void;
  /** Hears when a calibration begins or ceases to be used. */
  readonly onCalibration: (model: string, tier: string, standing: CalibrationStanding) => void;
};
