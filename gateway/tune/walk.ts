// What a ladder would have done with an input whose answers are all known.
import { calibrated, calibrationOf } from '../decide/calibrate.ts';
import { type NextStep, nextStep, type Rungs } from '../decide/escalate.ts';
import { TokenBucket } from '../decide/token-bucket.ts';
import type { Calibration } from '../policy/escalation.ts';
import type { Said, Trial } from './trial.ts';

/** A ladder with what else decides who answers. */
export type Climb = Rungs & {
  /** Where an input starts whose trial names no tier to start at. */
  readonly start: string;
  /** What each tier's claims of confidence are worth, one entry a model file. */
  readonly calibrations: ReadonlyMap<string, readonly Calibration[]>;
  /** Undefined for no bound. */
  readonly budget: { readonly share: number; readonly burst: number } | undefined;
};

/** Which tier answered, and all that were asked for it. */
export type Walk = {
  readonly trial: Trial;
  readonly answer: Said;
  readonly by: string;
  readonly asked: readonly Said[];
};

/** Sends every trial through the ladder, in their order: the budget is spent as they come. */
export function walkAll(climb: Climb, trials: readonly Trial[]): Walk[] {
  const bucket = climb.budget && new TokenBucket(climb.budget.share, climb.budget.burst);
  return trials.flatMap((trial) => {
    bucket?.deposit();
    const walk = walkOne(climb, trial, bucket);
    return walk === undefined ? [] : [walk];
  });
}

/** Undefined when no tier on the way has an answer. */
function walkOne(climb: Climb, trial: Trial, bucket: TokenBucket | undefined): Walk | undefined {
  const asked: Said[] = [];
  let best: { answer: Said; by: string } | undefined;
  const start = trial.start ?? climb.start;
  let tier = climb.tiers.includes(start) ? start : (climb.tiers[0] ?? '');
  for (;;) {
    const said = trial.tiers.get(tier);
    if (said !== undefined) {
      asked.push(said);
      best = { answer: said, by: tier };
    }
    const step = stepAfter(climb, tier, said, bucket?.hasToken() ?? true);
    if (step.kind === 'answer') return best && { trial, ...best, asked };
    if (step.isPaid) bucket?.take();
    tier = step.tier;
  }
}

/** What follows from what the tier said, with time enough; a tier that said nothing had an outage. */
export function stepAfter(
  climb: Pick<Climb, 'tiers' | 'below' | 'calibrations'>,
  tier: string,
  said: Pick<Said, 'confidence' | 'digest'> | undefined,
  hasBudget: boolean,
): NextStep {
  const means = { leftMs: Number.POSITIVE_INFINITY, nextP95Ms: 0, hasBudget };
  if (said === undefined)
    return nextStep(climb, { tier, class: 'server_fault', confidence: undefined }, undefined, means);
  return nextStep(climb, { tier, class: 'ok', confidence: confidenceOf(climb, tier, said) }, undefined, means);
}

function confidenceOf(
  { calibrations }: Pick<Climb, 'calibrations'>,
  tier: string,
  { confidence, digest }: Pick<Said, 'confidence' | 'digest'>,
): number | undefined {
  const { file } = calibrationOf(calibrations.get(tier) ?? [], digest);
  return confidence === undefined || file === undefined ? confidence : calibrated(file.method, confidence);
}
