/** Six decimals: more would be noise, and written numbers are a good part of what a record costs. */
export function short(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
