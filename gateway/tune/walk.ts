// What a ladder would have done with an input whose answers are all known.
import { calibrated } from '../decide/calibrate.ts';
import type { CalibrationMethod } from '../policy/policy.ts';
import type { Said, Trial } from './trial.ts';

/** The part of a policy's ladder that decides who answers. */
export type Rungs = {
  /** Tiers from fast to accurate. */
  readonly tiers: readonly string[];
  /** Where an input starts of which the trial does not say it. */
  readonly start: string;
  readonly below: ReadonlyMap<string, number>;
  readonly calibration: ReadonlyMap<string, CalibrationMethod>;
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
export function walkAll(rungs: Rungs, trials: readonly Trial[]): Walk[] {
  let tokens = rungs.budget?.burst ?? 0;
  return trials.flatMap((trial) => {
    tokens = Math.min(rungs.budget?.burst ?? 0, tokens + (rungs.budget?.share ?? 0));
    const walk = climb(rungs, trial, () => {
      if (rungs.budget === undefined) return true;
      if (tokens < 1) return false;
      tokens--;
      return true;
    });
    return walk === undefined ? [] : [walk];
  });
}

/** Undefined when no tier on the way has an answer. */
function climb(rungs: Rungs, trial: Trial, pay: () => boolean): Walk | undefined {
  const asked: Said[] = [];
  let best: { answer: Said; by: string } | undefined;
  for (const tier of rungs.tiers.slice(Math.max(0, rungs.tiers.indexOf(trial.start ?? rungs.start)))) {
    const said = trial.tiers.get(tier);
    if (said === undefined) continue; // an outage: straight up
    asked.push(said);
    best = { answer: said, by: tier };
    const threshold = rungs.below.get(tier);
    if (threshold === undefined) break;
    const confidence = confidenceOf(rungs, tier, said);
    if (confidence !== undefined && confidence >= threshold) break;
    if (confidence !== undefined && !pay()) break;
  }
  return best && { trial, ...best, asked };
}

function confidenceOf({ calibration }: Rungs, tier: string, { confidence }: Said): number | undefined {
  const method = calibration.get(tier);
  return confidence === undefined || method === undefined ? confidence : calibrated(method, confidence);
}
