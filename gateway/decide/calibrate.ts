// From what a model claims to how often it is right when it claims that. Every method here is strictly increasing, so a
// threshold may be moved through it without changing which answers pass.
import type { Calibration, CalibrationMethod } from '../policy/escalation.ts';

/** Claims of certainty itself have no finite log-odds. */
const EDGE = 1e-9;

/** Whether a tier's calibration is used for the model file that answers now. */
export type CalibrationStanding = 'applied' | 'other_file' | 'unknown_file';

/** Of a tier's calibrations, the one of this model file. `digest` is the file's SHA-256 in hex; undefined when unknown. */
export function calibrationOf(
  files: readonly Calibration[],
  digest: string | undefined,
): { readonly standing: CalibrationStanding; readonly file: Calibration | undefined } {
  const file = files.find(({ sha256 }) => sha256 === digest);
  if (file !== undefined) return { standing: 'applied', file };
  return { standing: digest === undefined ? 'unknown_file' : 'other_file', file };
}

/** The confidence in [0, 1] after calibration. */
export function calibrated(method: CalibrationMethod, confidence: number): number {
  switch (method.kind) {
    case 'temperature':
      return logistic(logOdds(confidence) / method.temperature);
    case 'platt':
      return logistic(method.a * logOdds(confidence) + method.b);
    case 'isotonic':
      return interpolated(method.points, confidence);
  }
}

/** ln(p / (1 - p)), with p kept away from 0 and 1. */
export function logOdds(p: number): number {
  const inside = Math.min(1 - EDGE, Math.max(EDGE, p));
  return Math.log(inside / (1 - inside));
}

/** The other way: 1 / (1 + e^-x). */
export function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** On the lines between the points, which lead from (0, 0) to (1, 1). */
function interpolated(points: readonly (readonly [from: number, to: number])[], x: number): number {
  let [x0, y0] = [0, 0];
  for (const [x1, y1] of [...points, [1, 1] as const]) {
    if (x <= x1) return x1 === x0 ? y1 : y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
    [x0, y0] = [x1, y1];
  }
  return 1;
}
