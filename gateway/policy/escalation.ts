// When a tier passes a request on, as the policy runs.

/** When an unsure answer is asked for again, of the next tier. */
export type Escalation = {
  /** Confidence under which a tier passes a request on; the others never do. */
  readonly below: ReadonlyMap<string, number>;
  /** Where each tier's confidence stands. */
  readonly confidence: ReadonlyMap<string, ConfidenceFrom>;
  /** What each tier's claims of confidence are worth, one entry a model file. */
  readonly calibrations: ReadonlyMap<string, readonly Calibration[]>;
  /** Requests that may be passed on, as a part of 1, and how many more than that in a moment. */
  readonly budget: number;
  readonly burst: number;
};

export type ConfidenceFrom =
  | { readonly from: 'output'; readonly name: string; readonly as: 'max' | 'margin' | 'entropy' }
  | { readonly from: 'field'; readonly path: readonly string[] }
  | { readonly from: 'parameter'; readonly name: string };

/** How often a model is right when it claims a confidence; holds for the one model file that it was fitted on. */
export type Calibration = {
  /** SHA-256 of the model file, hex. */
  readonly sha256: string;
  readonly method: CalibrationMethod;
  /** The part of the requests that was passed on where it was tuned; undefined when that is not known. */
  readonly escalated: number | undefined;
};

/** `temperature` and `platt` work on the log-odds of the confidence; `isotonic` on lines between points that rise. */
export type CalibrationMethod =
  | { readonly kind: 'temperature'; readonly temperature: number }
  | { readonly kind: 'platt'; readonly a: number; readonly b: number }
  | { readonly kind: 'isotonic'; readonly points: readonly (readonly [from: number, to: number])[] };
