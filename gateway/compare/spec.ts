/** What an output means, and so what counts as a difference. */
export type CompareAs = 'classification' | 'regression' | 'ranking' | 'embedding' | 'text' | 'json' | 'exact';

/** How the answers of one shadow are compared: the policy's `compare`, and what of the answers may be kept. */
export type CompareSpec = {
  readonly as: CompareAs;
  /** The output whose values are compared; every output when left out. In opaque JSON a path such as `result.scores`. */
  readonly output?: string | undefined;
  /** Difference up to which two values are the same, in the unit of the kind; each comparator states its default. */
  readonly tolerance?: number | undefined;
  /** Places of a ranking or classification that are compared. */
  readonly top?: number | undefined;
  /** JSON paths that are compared; `*` stands for every element or key. All when left out. */
  readonly fields?: readonly string[] | undefined;
  readonly keep?: KeepSpec | undefined;
};

/** Which values of the answers are kept beside a comparison, for people to look at. None unless asked for. */
export type KeepSpec = {
  /** JSON paths of the answers, such as `outputs.*.data`. */
  readonly fields: readonly string[];
  /** JSON paths of the request. */
  readonly requestFields: readonly string[];
  /** Share of the comparisons, in [0, 1]. */
  readonly sample: number;
  readonly ttlMs: number;
};

/** Names a shadow of a model. No name has a slash. */
export function shadowKey(model: string, shadow: string): string {
  return `${model}/${shadow}`;
}
