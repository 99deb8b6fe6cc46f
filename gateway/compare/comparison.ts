// What is remembered of a mirrored request: verdicts, numbers, sizes and ids. No body, no header but the slices.
import type { Fault } from '../flow.ts';
import type { CompareAs } from './spec.ts';

/**
 * How two answers relate. Everything but `same` and `different` means that their values could not be compared. Which of them
 * are a disagreement is said in disagreement.ts.
 */
export const COMPARISON_KINDS = [
  'candidate_error', // the baseline answered, the candidate failed
  'baseline_error', // the other way round
  'both_error',
  'not_compared', // beyond what is compared here, or the baseline's own answer is not what its protocol says
  'unreadable', // the candidate's answer is not what its protocol says
  'missing_output', // the candidate lacks an output of the baseline
  'extra_output', // the candidate has an output that the baseline lacks
  'datatype',
  'shape',
  'different',
  'same',
] as const;

export type ComparisonKind = (typeof COMPARISON_KINDS)[number];

/** One compared request, as it is stored and exported. */
export type Comparison = {
  readonly id: string;
  readonly model: string;
  readonly shadow: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: ComparisonKind;
  /** What broke, in a few words; never values of a body. */
  readonly reason?: string;
  /** The unit's hash: tells two callers apart and names neither. */
  readonly unit?: string;
  readonly slices?: Readonly<Record<string, string>>;
  readonly baseline: SideFacts;
  readonly candidate: SideFacts;
  /** Every compared output; of JSON only the fields that differ. */
  readonly fields: readonly FieldComparison[];
  /** The baseline against its second answer. */
  readonly noise?: { readonly kind: ComparisonKind; readonly fields: readonly FieldComparison[] };
};

/** One answer without its body. */
export type SideFacts = {
  readonly version: string;
  readonly status: number;
  readonly fault?: Fault;
  readonly server: string;
  readonly latencyMs: number;
  readonly bytes: number;
  readonly digest?: string;
  /** The model's own, or the highest of the compared probabilities; of the first row. */
  readonly confidence?: number;
};

/** How one output, or one field of JSON, compares. `distance` is the kind's headline number: 0 means the same. */
export type FieldComparison = { readonly field: string; readonly same: boolean; readonly distance: number } & Detail;

export type Detail =
  | ClassificationDetail
  | RegressionDetail
  | { readonly as: 'ranking'; readonly overlap: number; readonly tau: number; readonly rbo: number }
  | { readonly as: 'embedding'; readonly cosine: number; readonly normRatio: number }
  | { readonly as: 'text'; readonly similarity: number }
  | { readonly as: 'json'; readonly difference: JsonDifference; readonly count: number }
  | { readonly as: 'exact'; readonly count: number; readonly differing: number };

export type ClassificationDetail = {
  readonly as: 'classification';
  readonly rows: number;
  /** Rows whose first place differs. */
  readonly flips: number;
  /** How often the baseline said one label and the candidate another, or the same. */
  readonly cells: readonly (readonly [baseline: string, candidate: string, rows: number])[];
  /** The largest difference of one class's probability; 0 when labels alone are compared. */
  readonly maxDelta: number;
};

/** Sums over the elements, so that comparisons add up. A delta is candidate minus baseline. */
export type RegressionDetail = {
  readonly as: 'regression';
  /** Elements that are not the same NaN or infinity in both. */
  readonly count: number;
  readonly sum: number;
  /** What rounding left out of `sum`, and of `sumSquares`; not there in records of earlier releases. */
  readonly sumRest?: number;
  readonly sumAbs: number;
  readonly sumSquares: number;
  readonly sumSquaresRest?: number;
  /** Of |delta| / |baseline|, where the baseline is not 0 but for rounding (1e-8). */
  readonly sumRelative: number;
  readonly maxAbs: number;
  readonly outside: number;
  /** Elements that are NaN or infinite on one side only. */
  readonly nonFinite: number;
};

/** Diffy's kinds, as far as JSON has them. */
export type JsonDifference = 'type' | 'value' | 'missing' | 'extra' | 'order' | 'length';

/** Whether the values of two answers were compared at all. */
export function isComparable(kind: ComparisonKind): boolean {
  return kind === 'same' || kind === 'different';
}

/** Kinds whose detail a comparator makes. */
export type DetailOf<As extends CompareAs> = Extract<Detail, { as: As }>;
