// Calibration and a threshold for one tier of a ladder, from trials.
import { calibrated } from '../decide/calibrate.ts';
import type { CalibrationMethod } from '../policy/escalation.ts';
import { bestFit, type Claim, fit, type Kind } from './fit.ts';
import { allowedLosses, type Case, type Certificate, certify, type Row, withinBudget } from './learn-then-test.ts';
import { type Reliability, reliabilityOf } from './reliability.ts';
import { isRight, type Target, type Trial } from './trial.ts';

export type TuneOptions = {
  /** The tier whose threshold is sought, and the strongest one. */
  readonly tier: string;
  readonly last: string;
  readonly target: Target;
  /** The part of all inputs that may be kept and lost, with probability at most `delta` that it is more. */
  readonly risk: number;
  readonly delta: number;
  /** Part of the inputs that may be passed on: takes the place of the guarantee. */
  readonly budget: number | undefined;
  readonly calibration: 'auto' | 'none' | Kind;
};

/** What was found for one tier. */
export type Tuned = {
  readonly tier: string;
  readonly pairs: number;
  readonly target: Target;
  /** SHA-256 of the model files that answered; several when it changed on the way. */
  readonly digests: readonly string[];
  readonly certificate: Certificate;
  /** The losses among `pairs` with which `risk` is still proved; -1 when there are too few pairs for any. */
  readonly allowed: number;
  /** Undefined when nothing can be certified, or kept to. */
  readonly chosen: Row | undefined;
  readonly calibration: CalibrationMethod | undefined;
  /** The threshold to write: on the calibrated scale when there is a calibration. */
  readonly below: number | undefined;
  readonly claimed: Reliability;
  readonly after: Reliability | undefined;
};

/** The fewest pairs with which `risk` can be certified at all: (1 - risk)^n <= delta. */
export function leastPairs(risk: number, delta: number): number {
  return Math.ceil(Math.log(delta) / Math.log(1 - risk));
}

/** Tunes one tier on the trials. A loss is an answer that is kept and wrong where the last tier's is right. */
export function tune(options: TuneOptions, trials: readonly Trial[]): Tuned {
  const { tier, last, target, risk, delta, budget } = options;
  const judged = trials.flatMap((trial) => {
    const said = trial.tiers.get(tier);
    const right = isRight(trial, tier, last, target);
    const lastRight = isRight(trial, last, last, target);
    if (said === undefined || right === undefined || lastRight === undefined) return [];
    return [{ said, right, isLoss: !right && lastRight }];
  });
  const cases = judged.map(({ said, isLoss }): Case => ({ confidence: said.confidence, isLoss }));
  const claims = judged.flatMap(({ said, right }): Claim[] =>
    said.confidence === undefined ? [] : [{ confidence: said.confidence, isRight: right }],
  );
  const certificate = certify(cases, risk, delta);
  const chosen = budget === undefined ? certificate.chosen : withinBudget(certificate.rows, cases.length, budget);
  const calibration = chosen && calibrationOf(options.calibration, claims);
  return {
    tier,
    pairs: cases.length,
    target,
    digests: [...new Set(judged.flatMap(({ said }) => said.digest ?? []))],
    certificate,
    allowed: allowedLosses(cases.length, risk, delta),
    chosen,
    calibration,
    below: chosen && thresholdOn(calibration, chosen.threshold),
    claimed: reliabilityOf(claims),
    after:
      calibration &&
      reliabilityOf(
        claims.map(({ confidence, ...rest }) => ({ ...rest, confidence: calibrated(calibration, confidence) })),
      ),
  };
}

function calibrationOf(wanted: TuneOptions['calibration'], claims: readonly Claim[]): CalibrationMethod | undefined {
  if (wanted === 'none') return undefined;
  return wanted === 'auto' ? bestFit(claims) : fit(wanted, claims);
}

/** Rounded up: a stricter threshold keeps the guarantee. */
function thresholdOn(calibration: CalibrationMethod | undefined, threshold: number): number {
  if (calibration === undefined) return threshold;
  const exact = calibrated(calibration, threshold);
  for (const digits of [4, 6, 8]) {
    const rounded = Math.ceil(exact * 10 ** digits) / 10 ** digits;
    // The lowest answers that pass must still pass: otherwise more is escalated than the table says.
    if (rounded - exact < (1 - exact) / 50 || digits === 8) return Math.min(1, rounded);
  }
  return exact;
}
