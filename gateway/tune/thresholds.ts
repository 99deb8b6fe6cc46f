/** Every threshold that is tried, from the strictest down. Chosen before any data is seen, as Learn-then-Test asks. */
export const THRESHOLDS: readonly number[] = [
  1,
  ...[1e-4, 1e-3, 1e-2].flatMap((step) => Array.from({ length: 9 }, (_, i) => round(1 - (i + 1) * step))),
  ...Array.from({ length: 91 }, (_, i) => round(0.9 - i / 100)),
];

function round(threshold: number): number {
  return Math.round(threshold * 1e4) / 1e4;
}
