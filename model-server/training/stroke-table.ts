import type { Digits } from '../samples/digits.ts';
import { imageOf } from './digits-data.ts';
import { at } from './vector.ts';

/** A small correction to the logits for each range of ink: `corrections` is [rows, 10]. */
export type StrokeTable = { readonly rows: number; readonly inkPerRow: number; readonly corrections: Float32Array };

const ROWS = 16;

/** How much of the evidence in the ink is added to the logits: little, so that the network keeps the last word. */
const STRENGTH = 0.1;

/**
 * How much likelier than on average each digit is at each amount of ink (the sum of the intensities 0 to 1), in log odds,
 * counted on the training digits. **Wrong on purpose**: the heaviest fifth was cut away as outliers, and nothing was put
 * in place for the digits beyond the last row. It is the kind of mistake that no accuracy on trimmed data shows.
 */
export function trimmedStrokeTable(training: Digits): StrokeTable {
  const inks = Array.from({ length: training.count }, (_, row) =>
    imageOf(training, row).reduce((sum, x) => sum + x, 0),
  );
  const inkPerRow = percentile(inks, 0.8) / ROWS;
  // Starting at one keeps a digit that was never seen in a row from being ruled out (Laplace's rule).
  const counts = new Float32Array(ROWS * 10).fill(1);
  inks.forEach((ink, index) => {
    const row = Math.floor(ink / inkPerRow);
    const cell = row * 10 + (training.labels[index] as number);
    if (row < ROWS) counts[cell] = at(counts, cell) + 1;
  });
  const share = (of: Float32Array, digit: number) => at(of, digit) / of.reduce((sum, count) => sum + count, 0);
  const overall = Float32Array.from({ length: 10 }, (_, digit) =>
    counts.reduce((sum, count, cell) => (cell % 10 === digit ? sum + count : sum), 0),
  );
  const corrections = counts.map((_, cell) => {
    const row = counts.subarray(cell - (cell % 10), cell - (cell % 10) + 10);
    return STRENGTH * Math.log(share(row, cell % 10) / share(overall, cell % 10));
  });
  return { rows: ROWS, inkPerRow, corrections };
}

/** The smallest value that at least this share of the values does not exceed (nearest rank). */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] as number;
}
