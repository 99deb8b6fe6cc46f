import { type Output, rowWidth } from '../../../model-server/protocol/answer.ts';
import { confidenceOf } from '../../../model-server/protocol/confidence.ts';
import type { DetailOf } from '../comparison.ts';
import { isFractional, numbersOf, rowsOf } from '../output.ts';
import { short } from '../short.ts';
import type { CompareSpec } from '../spec.ts';

/** What a comparator says of two outputs of one shape and datatype. */
export type Compared<D> = D & { readonly same: boolean; readonly distance: number };

const MAX_LABEL = 64;

/**
 * Classes of each row. Of fractions, a row is one probability a class and its label the place of the highest (of rows of
 * one, whether it reaches 0.5); anything else is labels. Same when the first `top` places (default 1) hold the same classes
 * and, where a tolerance is given, no probability differs by more. Distance is the total variation, averaged over rows: half
 * the sum of |delta|; of labels, the share of flips.
 */
export function compareClasses(
  baseline: Output,
  candidate: Output,
  spec: Pick<CompareSpec, 'tolerance' | 'top'>,
): Compared<DetailOf<'classification'>> {
  if (!holdsScores(baseline) && !holdsScores(candidate)) return compareLabels(baseline, candidate);
  const { rows, width } = rowsOf(baseline);
  const [a, b] = [numbersOf(baseline), numbersOf(candidate)];
  const cells = new Cells();
  let flips = 0;
  let sumAbs = 0;
  let maxDelta = 0;
  let sameTop = true;
  for (let start = 0; start < a.length; start += width) {
    const [from, to] = [highest(a, start, width), highest(b, start, width)];
    if (from !== to) flips++;
    cells.add(labelOf(from), labelOf(to));
    if (spec.top !== undefined && spec.top > 1 && width > 1)
      sameTop &&= sameSet(topOf(a, start, width, spec.top), topOf(b, start, width, spec.top));
    else sameTop &&= from === to;
    for (let i = start; i < start + width; i++) {
      const delta = difference(a[i], b[i]);
      sumAbs += delta;
      if (delta > maxDelta) maxDelta = delta;
    }
  }
  const same = sameTop && (spec.tolerance === undefined || maxDelta <= spec.tolerance);
  // Of one probability the other class's is the rest, so that half of the two deltas is the one.
  const distance = rows === 0 ? 0 : sumAbs / (width === 1 ? rows : 2 * rows);
  return {
    as: 'classification',
    same,
    distance: short(distance),
    rows,
    flips,
    cells: cells.list(),
    maxDelta: short(maxDelta),
  };
}

/** Rows of several numbers without a datatype are scores too, even when all of them happen to be 0 or 1. */
function holdsScores(output: Output): boolean {
  const isRow = output.datatype === 'JSON' && output.shape.length > 1 && typeof output.values[0] === 'number';
  return isRow || isFractional(output);
}

function compareLabels(baseline: Output, candidate: Output): Compared<DetailOf<'classification'>> {
  const rows = baseline.values.length;
  const cells = new Cells();
  let flips = 0;
  for (let i = 0; i < rows; i++) {
    const [from, to] = [String(baseline.values[i]), String(candidate.values[i])];
    if (from !== to) flips++;
    cells.add(from.slice(0, MAX_LABEL), to.slice(0, MAX_LABEL));
  }
  const distance = rows === 0 ? 0 : flips / rows;
  return { as: 'classification', same: flips === 0, distance, rows, flips, cells: cells.list(), maxDelta: 0 };
}

/** The highest probability of the least certain row; undefined for an output that holds no probabilities. */
export function highestConfidence(output: Output): number | undefined {
  if (!isFractional(output)) return undefined;
  return confidenceOf(numbersOf(output), rowWidth(output), 'max');
}

/** Place of the highest in a row, the first of equals; -1 when one is NaN. Of a row of one, whether it reaches 0.5. */
function highest(values: ArrayLike<number>, start: number, width: number): number {
  if (width === 1) return Number.isNaN(values[start] ?? Number.NaN) ? -1 : Number((values[start] ?? 0) >= 0.5);
  let best = start;
  for (let i = start; i < start + width; i++) {
    const value = values[i] ?? Number.NaN;
    if (Number.isNaN(value)) return -1;
    if (value > (values[best] ?? 0)) best = i;
  }
  return best - start;
}

function labelOf(place: number): string {
  return place < 0 ? 'NaN' : String(place);
}

function topOf(values: ArrayLike<number>, start: number, width: number, top: number): number[] {
  const places = Array.from({ length: width }, (_, i) => i);
  places.sort((i, j) => (values[start + j] ?? 0) - (values[start + i] ?? 0) || i - j);
  return places.slice(0, top);
}

function sameSet(a: readonly number[], b: readonly number[]): boolean {
  return a.every((place) => b.includes(place));
}

/** |a - b|; NaN against a number is as different as probabilities can be. */
function difference(a = Number.NaN, b = Number.NaN): number {
  const delta = Math.abs(a - b);
  if (delta <= 1) return delta;
  return Object.is(a, b) ? 0 : Number.isFinite(delta) ? delta : 1;
}

class Cells {
  readonly #rows = new Map<string, [string, string, number]>();
  #last: [string, string, number] | undefined;

  add(from: string, to: string): void {
    // Most comparisons have one row, and then a map is not needed.
    if (this.#last === undefined) this.#last = [from, to, 1];
    else if (this.#last[0] === from && this.#last[1] === to) this.#last[2]++;
    else this.#addToMap(from, to);
  }

  list(): readonly (readonly [string, string, number])[] {
    return this.#last === undefined ? [] : [this.#last, ...this.#rows.values()];
  }

  #addToMap(from: string, to: string): void {
    const key = `${from}\n${to}`;
    const cell = this.#rows.get(key);
    if (cell === undefined) this.#rows.set(key, [from, to, 1]);
    else cell[2]++;
  }
}
