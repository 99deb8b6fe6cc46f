// From sums to what a person reads: coverage first, disagreement beside the noise floor, the fields in the order of how
// much they matter. Pure.
import { type AgreementLimits, agreementLimits } from '../statistics/agreement-limits.ts';
import { kappa } from '../statistics/kappa.ts';
import { LATENCY, quantile, sizeOf } from '../statistics/log-buckets.ts';
import { type BeyondNoise, beyondNoise, excessOf } from '../statistics/noise-floor.ts';
import { type Rate, rateOf } from '../statistics/proportion.ts';
import type { Sums } from '../statistics/sums.ts';
import { COMPARISON_KINDS, type ComparisonKind } from './comparison.ts';
import { disagreementIn } from './disagreement.ts';
import type { CompareAs } from './spec.ts';
import { type Node, numbersIn, treeOf } from './sum-tree.ts';
import { SUMMED } from './tally.ts';

/** Everything that the sums of one shadow tell. Rates come with 95 % bounds. */
export type Summary = {
  readonly pairs: number;
  readonly kinds: Readonly<Partial<Record<ComparisonKind, number>>>;
  /** Of the pairs that were compared. */
  readonly disagreement: Rate;
  /** The same of the baseline asked twice; `of` is 0 where that was never done. */
  readonly noise: Rate;
  readonly beyondNoise: BeyondNoise;
  /** How the candidate failed where the baseline did not, by the kind of failure. */
  readonly candidateErrors: Readonly<Record<string, number>>;
  readonly latency: LatencySummary | undefined;
  /** Those beyond noise first, then by how far raw exceeds noise. */
  readonly fields: readonly FieldSummary[];
  /** By lower bound of the disagreement, the worst first. */
  readonly slices: readonly SliceSummary[];
  /** Pairs with further values of a header, counted together: callers sent more values than are listed. */
  readonly otherSlices: readonly Omit<SliceSummary, 'value'>[];
  /** Comparisons of further outputs or fields, counted together: answers had more of them than are listed. */
  readonly otherFields: { readonly compared: number; readonly differing: number };
  /** Additions that were no number, or found no room. Kappa is not given then. */
  readonly overflow: number;
};

/** Paired: candidate minus baseline of one request, in milliseconds. */
export type LatencySummary = {
  readonly baselineMeanMs: number;
  readonly candidateMeanMs: number;
  readonly medianDifferenceMs: number | undefined;
  readonly p95DifferenceMs: number | undefined;
  /** Pairs by how much longer the candidate took, the fastest first; bands at the ends without pairs are left out. */
  readonly bands: readonly LatencyBand[];
};

/** Differences from `fromMs` up to `toMs`, 2.5 % exact; the outermost bands have no end. */
export type LatencyBand = {
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  readonly pairs: number;
};

export type FieldSummary = {
  readonly field: string;
  readonly as: CompareAs;
  readonly raw: Rate;
  readonly noise: Rate;
  readonly relative: number;
  readonly absolute: number;
  readonly beyondNoise: BeyondNoise;
  /** The mean over the pairs in which it was compared. */
  readonly distance: number;
  readonly classification?: ClassificationSummary;
  readonly limits?: AgreementLimits;
  /** Means, by the names of the kind's numbers. */
  readonly means: Readonly<Record<string, number>>;
};

export type ClassificationSummary = {
  readonly rows: number;
  readonly flips: Rate;
  readonly kappa: number | undefined;
  /** Rows by the baseline's label and the candidate's, the most flips first; agreement is in `agreed`. */
  readonly flipped: readonly { readonly baseline: string; readonly candidate: string; readonly rows: number }[];
  readonly agreed: Readonly<Record<string, number>>;
  /** Rows counted without their label: there are more labels than are listed. Kappa is not given then. */
  readonly unlisted: number;
};

export type SliceSummary = {
  readonly name: string;
  readonly value: string;
  readonly pairs: number;
  readonly errors: number;
  readonly disagreement: Rate;
};

/** Reads the sums of one shadow. */
export function summarise(sums: Sums): Summary {
  const tree = treeOf(sums);
  const overflow = sums.get('overflow') ?? 0;
  const kinds = numbersIn(tree.get('kind'));
  const comparable = (kinds.same ?? 0) + (kinds.different ?? 0);
  const { trials, hits } = disagreementIn((kind) => kinds[kind] ?? 0);
  const disagreement = rateOf(hits, trials);
  const noise = rateOf(sums.get('noise/different') ?? 0, sums.get('noise/pairs') ?? 0);
  return {
    pairs: sums.get('pairs') ?? 0,
    kinds: Object.fromEntries(COMPARISON_KINDS.flatMap((kind) => (kind in kinds ? [[kind, kinds[kind] ?? 0]] : []))),
    disagreement,
    noise,
    beyondNoise: beyondNoise(disagreement, noise),
    candidateErrors: numbersIn(tree.get('error')),
    latency: latencyOf(tree.get('latency')),
    fields: [...(tree.get('field')?.inner ?? [])]
      .map(([field, node]) => fieldOf(field, node, { comparable, noisePairs: noise.of, isWhole: overflow === 0 }))
      .sort(byWeight),
    slices: slicesOf(tree.get('slice')),
    otherSlices: [...(tree.get('rest')?.get('slice')?.inner ?? [])].map(([name, node]) => ({ name, ...sliceOf(node) })),
    otherFields: {
      compared: sums.get('rest/fields/compared') ?? 0,
      differing: sums.get('rest/fields/differ') ?? 0,
    },
    overflow,
  };
}

type Coverage = { readonly comparable: number; readonly noisePairs: number; readonly isWhole: boolean };

function fieldOf(field: string, node: Node, { comparable, noisePairs, isWhole }: Coverage): FieldSummary {
  const raw = rateOf(node.number('differ'), comparable);
  const noise = rateOf(node.number('noise'), noisePairs);
  // A field that only the noise ever touched has no kind of its own.
  const as = ([...(node.get('as')?.inner.keys() ?? [])][0] ?? 'json') as CompareAs;
  const seen = node.get('as')?.number(as) ?? 0;
  const classification = as === 'classification' ? classesOf(node, isWhole) : undefined;
  const count = node.number('count');
  const limits = as === 'regression' ? limitsOf(node) : undefined;
  return {
    field,
    as,
    raw,
    noise,
    ...excessOf(raw, noise),
    beyondNoise: beyondNoise(raw, noise),
    distance: seen === 0 ? 0 : node.number('distance') / seen,
    ...(classification && { classification }),
    ...(limits && { limits }),
    means: meansOf(as, node, as === 'regression' || as === 'exact' ? count : seen),
  };
}

/** Of the elements that have a difference: one that is infinite on one side alone has none. */
function limitsOf(node: Node): AgreementLimits | undefined {
  return agreementLimits({
    count: node.number('count') - node.number('nonFinite'),
    sum: node.number('sum'),
    sumRest: node.number('sumRest'),
    sumSquares: node.number('sumSquares'),
    sumSquaresRest: node.number('sumSquaresRest'),
  });
}

function meansOf(as: CompareAs, node: Node, count: number): Record<string, number> {
  if (as === 'classification' || count === 0) return {};
  return Object.fromEntries(
    SUMMED[as]
      .filter((name) => name !== 'count' && !name.endsWith('Rest'))
      .map((name) => [name, node.number(name) / count]),
  );
}

function classesOf(node: Node, isWhole: boolean): ClassificationSummary {
  const [rows, flips, unlisted] = [node.number('rows'), node.number('flips'), node.number('unlisted')];
  const baseline = new Map(Object.entries(numbersIn(node.get('baseline'))));
  const candidate = new Map(Object.entries(numbersIn(node.get('candidate'))));
  const flipped = [...(node.get('flip')?.inner ?? [])].flatMap(([from, { inner }]) =>
    [...inner].map(([to, { value }]) => ({ baseline: from, candidate: to, rows: value })),
  );
  const left = new Map(baseline);
  for (const [label, rows] of Object.entries(numbersIn(node.get('flipped'))))
    left.set(label, (left.get(label) ?? 0) - rows);
  for (const cell of flipped) left.set(cell.baseline, (left.get(cell.baseline) ?? 0) - cell.rows);
  return {
    rows,
    flips: rateOf(flips, rows),
    kappa: isWhole && unlisted === 0 ? kappa(rows, flips, { baseline, candidate }) : undefined,
    flipped: flipped.sort((a, b) => b.rows - a.rows),
    agreed: Object.fromEntries(left),
    unlisted,
  };
}

function latencyOf(node: Node | undefined): LatencySummary | undefined {
  if (node === undefined) return undefined;
  const pairs = node.number('pairs');
  const buckets = Object.entries(numbersIn(node.get('difference'))).map(([key, n]) => [Number(key), n] as const);
  const differences = new Map(buckets);
  return {
    baselineMeanMs: node.number('baseline') / pairs,
    candidateMeanMs: node.number('candidate') / pairs,
    medianDifferenceMs: quantile(differences, 0.5, LATENCY),
    p95DifferenceMs: quantile(differences, 0.95, LATENCY),
    bands: bandsOf(differences),
  };
}

/** Three to a decade, as on paper for logarithms: a person tells apart what is twice or three times another. */
const BAND_EDGES_MS = [-100, -30, -10, -3, -1, -0.3, 0.3, 1, 3, 10, 30, 100];

function bandsOf(differences: ReadonlyMap<number, number>): LatencyBand[] {
  const bands = [...BAND_EDGES_MS, undefined].map((toMs, i) => ({ fromMs: BAND_EDGES_MS[i - 1], toMs, pairs: 0 }));
  for (const [bucket, pairs] of differences) {
    const ms = sizeOf(bucket, LATENCY);
    const band = bands.find(({ toMs }) => toMs === undefined || ms < toMs);
    if (band !== undefined) band.pairs += pairs;
  }
  const isTold = ({ pairs }: LatencyBand) => pairs > 0;
  return bands.slice(bands.findIndex(isTold), bands.findLastIndex(isTold) + 1);
}

function slicesOf(node: Node | undefined): SliceSummary[] {
  const slices = [...(node?.inner ?? [])].flatMap(([name, values]) =>
    [...values.inner].map(([value, slice]) => ({ name, value, ...sliceOf(slice) })),
  );
  return slices.sort((a, b) => b.disagreement.low - a.disagreement.low || b.pairs - a.pairs);
}

function sliceOf(slice: Node): Omit<SliceSummary, 'name' | 'value'> {
  const [pairs, errors] = [slice.number('pairs'), slice.number('error')];
  return { pairs, errors, disagreement: rateOf(slice.number('different'), pairs - errors - slice.number('aside')) };
}

function byWeight(a: FieldSummary, b: FieldSummary): number {
  const rank = ({ beyondNoise }: FieldSummary) => Number(beyondNoise === 'yes');
  return rank(b) - rank(a) || b.absolute - a.absolute;
}
