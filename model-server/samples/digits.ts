// Images of digits, and what they show.

export const DIGIT_SIDE = 28;
export const DIGIT_PIXELS = DIGIT_SIDE * DIGIT_SIDE;

/** `images` is [count, 784], row-major 28x28, ink 0 (none) to 255; `labels` is [count], 0 to 9. */
export type Digits = { readonly count: number; readonly images: Uint8Array; readonly labels: Uint8Array };

/** One digit: its 784 pixels and what it shows. */
export type Digit = { readonly pixels: Uint8Array; readonly label: number };

/** The digits one by one. */
export function digitsOf(digits: Digits): Digit[] {
  return Array.from(digits.labels, (label, row) => ({ pixels: pixelsOf(digits, row), label }));
}

/** The pixels of one digit. */
export function pixelsOf(digits: Digits, row: number): Uint8Array {
  return digits.images.subarray(row * DIGIT_PIXELS, (row + 1) * DIGIT_PIXELS);
}
