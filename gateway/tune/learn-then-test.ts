// A threshold with a guarantee: Learn then Test (Angelopoulos, Bates, Candès, Jordan and Lei, arXiv 2110.01052), with fixed
// sequence testing from the strictest threshold down.
import { binomialCdf, upperLimit } from './binomial.ts';
import { THRESHOLDS } from './thresholds.ts';

/** One answered input: how sure the tier was (undefined: it did not say), and whether keeping its answer is a loss. */
export type Case = { readonly confidence: number | undefined; readonly isLoss: boolean };

/** What a threshold would do to these cases. */
export type Row = {
  readonly threshold: number;
  /** Cases that are passed on. */
  readonly escalated: number;
  /** Losses among the cases that are kept. */
  readonly losses: number;
  /** Losses by all cases, and Clopper and Pearson's upper limit at 1 - delta. */
  readonly risk: number;
  readonly upper: number;
  /** Whether this threshold and every stricter one is proved to lose at most `risk`. */
  readonly isCertified: boolean;
};

export type Certificate = {
  readonly rows: readonly Row[];
  /** The lowest certified threshold; undefined when not even the strictest could be certified. */
  readonly chosen: Row | undefined;
};

/** The most losses in n cases with which "at most `risk`" is proved with probability 1 - delta; -1 when none suffices. */
export function allowedLosses(n: number, risk: number, delta: number): number {
  let k = -1;
  while (k < n && binomialCdf(k + 1, n, risk) <= delta) k++;
  return k;
}

/**
 * The lowest threshold such that, with probability 1 - delta over the draw of the cases, at most the part `risk` of all
 * inputs is kept and lost. Valid for cases drawn at random, at every level of confidence.
 */
export function certify(cases: readonly Case[], risk: number, delta: number): Certificate {
  const n = cases.length;
  const allowed = allowedLosses(n, risk, delta);
  // Sorted once: a threshold keeps a prefix.
  const sure = cases.flatMap((each) =>
    each.confidence === undefined ? [] : [{ ...each, confidence: each.confidence }],
  );
  sure.sort((a, b) => b.confidence - a.confidence);
  const rows: Row[] = [];
  let [kept, losses, isCertified] = [0, 0, true];
  let chosen: Row | undefined;
  for (const threshold of THRESHOLDS) {
    for (let next = sure[kept]; next !== undefined && next.confidence >= threshold; next = sure[kept]) {
      if (next.isLoss) losses++;
      kept++;
    }
    isCertified &&= losses <= allowed;
    const row = {
      threshold,
      escalated: n - kept,
      losses,
      risk: n === 0 ? 0 : losses / n,
      upper: upperLimit(losses, n, 1 - delta),
      isCertified,
    };
    rows.push(row);
    if (isCertified) chosen = row;
  }
  return { rows, chosen };
}

/** The highest threshold that passes on at most the part `budget` of these cases; undefined when even 0 passes on more. */
export function withinBudget(rows: readonly Row[], cases: number, budget: number): Row | undefined {
  return rows.find(({ escalated }) => escalated <= budget * cases);
}
