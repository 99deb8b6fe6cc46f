// One input that every tier of a ladder has answered: what thresholds are tuned on, and policies are replayed on.

/** What one tier said to the input. */
export type Said = {
  /** The answer in a comparable form, a label for one. */
  readonly answer: string;
  /** As the model claims it, uncalibrated; undefined when it could not be read. */
  readonly confidence?: number | undefined;
  readonly latencyMs: number;
  /** What the answer cost, in one unit for all tiers; undefined when it was not measured. */
  readonly cost?: number | undefined;
  /** SHA-256 of the model file, hex. */
  readonly digest?: string | undefined;
};

export type Trial = {
  readonly id: string;
  /** What is right, in the same form as answers; undefined when nobody has said. */
  readonly label?: string | undefined;
  /** The tier that the policy's rules start this input at; undefined when the input itself is not known. */
  readonly start?: string | undefined;
  readonly tiers: ReadonlyMap<string, Said>;
};

/** What counts as right: the label, or the answer of the strongest tier. */
export type Target = 'labels' | 'last tier';

/** Labels, when every trial has one. */
export function targetOf(trials: readonly Trial[]): Target {
  return trials.length > 0 && trials.every(({ label }) => label !== undefined) ? 'labels' : 'last tier';
}

/** Whether the tier's answer is the right one; undefined when the tier, or what tells right from wrong, is missing. */
export function isRight(trial: Trial, tier: string, last: string, target: Target): boolean | undefined {
  const said = trial.tiers.get(tier);
  const right = target === 'labels' ? trial.label : trial.tiers.get(last)?.answer;
  return said === undefined || right === undefined ? undefined : said.answer === right;
}
