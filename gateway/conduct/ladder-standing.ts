// What is told of a ladder as it happens.
import type { CalibrationStanding } from '../decide/calibrate.ts';

/** Why a calibration is ignored, in words. */
export const CALIBRATION_IGNORED = {
  other_file: 'the server has another model file than the one it was fitted on; tune again',
  unknown_file: 'the server has not told which model file it has',
} as const satisfies Record<Exclude<CalibrationStanding, 'applied'>, string>;

export type TieringListener = {
  /** Hears when the alarm of a ladder begins and ends. */
  readonly onAlarm: (model: string, isAlarmed: boolean, wantedShare: number) => void;
  /** Hears when a calibration begins or ceases to be used. */
  readonly onCalibration: (model: string, tier: string, standing: CalibrationStanding) => void;
};
