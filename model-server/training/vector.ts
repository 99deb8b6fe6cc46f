/**
 * The arithmetic everything here is trained with. The indexed reads of the hot loops are in this file and in conv-pool.ts,
 * so that the rest needs no casts; sums are kept in float64, vectors in float32.
 */

/** Sum of `a[aStart + i] * b[bStart + i]` for i < length. */
export function dot(a: Float32Array, aStart: number, b: Float32Array, bStart: number, length: number): number {
  // Four sums instead of one: an addition would otherwise wait for the one before it (twice as fast here).
  let sum0 = 0;
  let sum1 = 0;
  let sum2 = 0;
  let sum3 = 0;
  let i = 0;
  for (; i + 3 < length; i += 4) {
    sum0 += at(a, aStart + i) * at(b, bStart + i);
    sum1 += at(a, aStart + i + 1) * at(b, bStart + i + 1);
    sum2 += at(a, aStart + i + 2) * at(b, bStart + i + 2);
    sum3 += at(a, aStart + i + 3) * at(b, bStart + i + 3);
  }
  for (; i < length; i++) sum0 += at(a, aStart + i) * at(b, bStart + i);
  return sum0 + sum1 + (sum2 + sum3);
}

/** `target[targetStart + i] += scale * source[sourceStart + i]` for i < length. */
export function addScaled(
  target: Float32Array,
  targetStart: number,
  scale: number,
  source: Float32Array,
  sourceStart: number,
  length: number,
): void {
  for (let i = 0; i < length; i++) {
    target[targetStart + i] = at(target, targetStart + i) + scale * at(source, sourceStart + i);
  }
}

/** The probabilities of these logits; the largest is subtracted first, so that no exp overflows. */
export function softmax(logits: Float32Array): Float32Array {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

/** Position of the largest value, the first one where several are equal (as ONNX ArgMax does). */
export function argMax(values: Float32Array): number {
  return values.reduce((best, value, index) => (value > at(values, best) ? index : best), 0);
}

/** A read inside the bounds, which the caller guarantees. */
export function at(values: Float32Array, index: number): number {
  return values[index] as number;
}
