import type { Output } from '../../../model-server/protocol/answer.ts';
import type { DetailOf } from '../comparison.ts';
import { isFractional, numbersOf, rowsOf } from '../output.ts';
import type { CompareSpec } from '../spec.ts';
import type { Compared } from './classification.ts';

const DEFAULT_TOP = 10;
/** Kendall's tau looks at every two places. */
const MAX_TOP = 100;
/** The weight of a place is this much of the place before: the first ten carry 86 % of rank-biased overlap. */
const PERSISTENCE = 0.9;

/**
 * Ranked lists, or scores that rank their places, row by row. Looks at the first `top` places (10). Same when they hold the
 * same in the same order; with a tolerance, when 1 - rank-biased overlap is at most that in every row. Distance is 1 -
 * rank-biased overlap, averaged over rows, as are overlap and tau. An item that occurs twice is two items: the first of its
 * kind, and the second. Scores that are NaN rank last.
 */
export function compareRanking(
  baseline: Output,
  candidate: Output,
  spec: Pick<CompareSpec, 'tolerance' | 'top'>,
): Compared<DetailOf<'ranking'>> {
  const top = Math.min(spec.top ?? DEFAULT_TOP, MAX_TOP);
  const [a, b] = [rankings(baseline, top), rankings(candidate, top)];
  const scored = Array.from({ length: Math.max(a.length, b.length) }, (_, i) => scoreOf(a[i] ?? [], b[i] ?? []));
  const mean = (read: (score: (typeof scored)[number]) => number) =>
    scored.length === 0 ? 1 : scored.reduce((sum, score) => sum + read(score), 0) / scored.length;
  const rbo = mean((score) => score.rbo);
  const isSame = a.length === b.length && scored.every((score) => score.same);
  const { tolerance } = spec;
  const same = tolerance === undefined ? isSame : scored.every((score) => 1 - score.rbo <= tolerance);
  return {
    as: 'ranking',
    same,
    distance: 1 - rbo,
    overlap: mean((score) => score.overlap),
    tau: mean((score) => score.tau),
    rbo,
  };
}

type Item = string;

function rankings(output: Output, top: number): Item[][] {
  // One dimension is one list here.
  const width = output.shape.length > 1 ? rowsOf(output).width : output.values.length;
  const rows = width === 0 ? 0 : output.values.length / width;
  const numbers = isFractional(output) ? numbersOf(output) : undefined;
  return Array.from({ length: rows }, (_, row) => {
    const start = row * width;
    const places = Array.from({ length: width }, (_, i) => i);
    if (numbers === undefined) return distinct(places.slice(0, top).map((i) => String(output.values[start + i])));
    const scoreAt = (i: number) => numbers[start + i] || 0;
    const isOut = (i: number) => Number(Number.isNaN(numbers[start + i]));
    places.sort((i, j) => isOut(i) - isOut(j) || scoreAt(j) - scoreAt(i) || i - j);
    return places.slice(0, top).map(String);
  });
}

/** The items, each that was there before with how often it was. */
function distinct(items: readonly Item[]): Item[] {
  const seen = new Map<Item, number>();
  return items.map((item) => {
    const times = seen.get(item) ?? 0;
    seen.set(item, times + 1);
    return times === 0 ? item : `${item} (${times + 1})`;
  });
}

function scoreOf(a: readonly Item[], b: readonly Item[]) {
  const same = a.length === b.length && a.every((item, i) => item === b[i]);
  if (same) return { same, overlap: 1, tau: 1, rbo: 1 };
  const shared = a.filter((item) => b.includes(item));
  const overlap = shared.length / Math.max(a.length, b.length, 1);
  const tau = kendallTau(
    shared.map((item) => a.indexOf(item)),
    shared.map((item) => b.indexOf(item)),
  );
  return { same, overlap, tau, rbo: rankBiasedOverlap(a, b, PERSISTENCE) };
}

/** Kendall's tau-b of paired numbers, ties corrected (Kendall 1945): 1 in the same order, -1 reversed, 0 when all tie. */
export function kendallTau(x: readonly number[], y: readonly number[]): number {
  let concordant = 0;
  let untiedX = 0;
  let untiedY = 0;
  for (let i = 0; i < x.length; i++)
    for (let j = 0; j < i; j++) {
      const dx = Math.sign((x[i] ?? 0) - (x[j] ?? 0));
      const dy = Math.sign((y[i] ?? 0) - (y[j] ?? 0));
      concordant += dx * dy;
      untiedX += Math.abs(dx);
      untiedY += Math.abs(dy);
    }
  const ties = Math.sqrt(untiedX * untiedY);
  return ties === 0 ? 0 : concordant / ties;
}

/**
 * Extrapolated rank-biased overlap of two lists without repetitions (Webber, Moffat and Zobel 2010, equation 32 for lists of
 * one length), in [0, 1]. A shorter list is one whose further places hold nothing: an answer that leaves out what the other
 * has does not agree with it.
 */
export function rankBiasedOverlap(a: readonly Item[], b: readonly Item[], p: number): number {
  const depth = Math.max(a.length, b.length);
  if (depth === 0) return 1;
  const [seenA, seenB] = [new Set<Item>(), new Set<Item>()];
  let shared = 0;
  let sum = 0;
  for (let d = 1; d <= depth; d++) {
    const [itemA, itemB] = [a[d - 1], b[d - 1]];
    if (itemA !== undefined) seenA.add(itemA);
    if (itemB !== undefined) seenB.add(itemB);
    if (itemA !== undefined && seenB.has(itemA)) shared++;
    if (itemB !== undefined && itemB !== itemA && seenA.has(itemB)) shared++;
    sum += (shared / d) * p ** d;
  }
  return (shared / depth) * p ** depth + ((1 - p) / p) * sum;
}
