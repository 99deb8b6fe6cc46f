// Shares and what is known of them.

/** Two-sided 95 %. */
export const Z_95 = 1.959963984540054;
/** Two-sided 99 %. */
export const Z_99 = 2.5758293035489004;

/** A share with the bounds within which the true one lies. */
export type Rate = {
  readonly count: number;
  readonly of: number;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
};

/** `count` of `of`, with Wilson's score interval (Wilson 1927), at 95 % unless told. Of none, anything is possible. */
export function rateOf(count: number, of: number, z = Z_95): Rate {
  if (of === 0) return { count, of, rate: 0, low: 0, high: 1 };
  const p = count / of;
  const square = z * z;
  const middle = p + square / (2 * of);
  const spread = z * Math.sqrt((p * (1 - p)) / of + square / (4 * of * of));
  const scale = 1 + square / of;
  return {
    count,
    of,
    rate: p,
    low: Math.max(0, (middle - spread) / scale),
    high: Math.min(1, (middle + spread) / scale),
  };
}

/** Bounds of the difference of two shares, a - b: Newcombe's hybrid score interval (Newcombe 1998, method 10). */
export function differenceOf(
  a: Pick<Rate, 'count' | 'of'>,
  b: Pick<Rate, 'count' | 'of'>,
  z = Z_95,
): { readonly low: number; readonly high: number } {
  const [x, y] = [rateOf(a.count, a.of, z), rateOf(b.count, b.of, z)];
  const difference = x.rate - y.rate;
  return {
    low: difference - Math.hypot(x.rate - x.low, y.high - y.rate),
    high: difference + Math.hypot(x.high - x.rate, y.rate - y.low),
  };
}
