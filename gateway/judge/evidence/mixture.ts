/** The logarithm of the mean of numbers given by their logarithms, without overflow. -Infinity for none. */
export function logMean(logs: readonly number[]): number {
  const largest = Math.max(...logs);
  if (!Number.isFinite(largest)) return largest;
  return largest + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - largest), 0) / logs.length);
}

/** Sums of vectors, place by place; the first one's length. */
export function addVectors(a: readonly number[], b: readonly number[]): number[] {
  return a.map((value, i) => value + (b[i] ?? 0));
}

/** Sums place by place; an empty list is all zeros. */
export function addLists(a: readonly number[], b: readonly number[]): readonly number[] {
  if (a.length === 0) return b;
  return b.length === 0 ? a : addVectors(a, b);
}
