// Histograms with buckets that grow by a factor: sizes of any magnitude within a known relative error, and they add up.

/** Bucket 0 holds everything below `unit`; each further one is `growth` times as wide as the one before. */
export type Scale = { readonly unit: number; readonly growth: number };

/** Milliseconds, 2.5 % exact. */
export const LATENCY: Scale = { unit: 0.001, growth: 1.05 };

/** Distances between answers, 11 % exact. */
export const DISTANCE: Scale = { unit: 1e-6, growth: 1.25 };

const LAST = 1000;

/** The bucket of a size, negative for a negative one. */
export function bucketOf(value: number, { unit, growth }: Scale): number {
  const size = Math.abs(value);
  if (!(size > unit)) return 0;
  const bucket = Math.min(Math.ceil(Math.log(size / unit) / Math.log(growth)), LAST);
  return value < 0 ? -bucket : bucket;
}

/** A size in the middle of a bucket: at most (growth - 1) / 2 off, relatively. */
export function sizeOf(bucket: number, { unit, growth }: Scale): number {
  if (bucket === 0) return 0;
  return (Math.sign(bucket) * unit * (2 * growth ** Math.abs(bucket))) / (growth + 1);
}

/** The quantile of counts by bucket; undefined when there are none. */
export function quantile(counts: ReadonlyMap<number, number>, q: number, scale: Scale): number | undefined {
  const buckets = [...counts].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  let below = 0;
  for (const [bucket, count] of buckets) {
    below += count;
    if (below >= q * total) return sizeOf(bucket, scale);
  }
  return undefined;
}
