// Latencies as counts in logarithmic buckets. Integer counts add up, so gateways need no coordination to merge theirs.

const GAMMA = 1.02;
const SHORTEST_MS = 0.1;
const LONGEST_MS = 60_000;
const LOG_GAMMA = Math.log(GAMMA);

/** Buckets of a histogram: 0.1 ms to 60 s. Anything shorter or longer falls into the first or the last. */
export const BUCKETS = Math.ceil(Math.log(LONGEST_MS / SHORTEST_MS) / LOG_GAMMA) + 1;

/** Counts by bucket. */
export type Histogram = Uint32Array;

export function emptyHistogram(): Histogram {
  return new Uint32Array(BUCKETS);
}

/** The bucket of a latency in milliseconds. */
export function bucketOf(ms: number): number {
  const index = Math.ceil(Math.log(ms / SHORTEST_MS) / LOG_GAMMA);
  return index >= 0 ? Math.min(index, BUCKETS - 1) : 0; // NaN and 0 ms fall into the first
}

/** A latency in milliseconds that is within 1 % of every latency of a bucket. */
export function latencyOf(bucket: number): number {
  return (SHORTEST_MS * 2 * GAMMA ** bucket) / (GAMMA + 1);
}

/** Adds one latency. */
export function recordLatency(histogram: Histogram, ms: number): void {
  const bucket = bucketOf(ms);
  histogram[bucket] = (histogram[bucket] ?? 0) + 1;
}

/** Adds all of `other` to `histogram`. */
export function addHistogram(histogram: Histogram, other: Histogram): void {
  for (let i = 0; i < BUCKETS; i++) histogram[i] = (histogram[i] ?? 0) + (other[i] ?? 0);
}

/** How many latencies were recorded. */
export function sizeOf(histogram: Histogram): number {
  return histogram.reduce((sum, count) => sum + count, 0);
}

/** The latency in milliseconds that a part `p` of all latencies does not exceed, to 1 %; undefined when there are none. */
export function quantileOf(histogram: Histogram, p: number): number | undefined {
  const size = sizeOf(histogram);
  if (size === 0) return undefined;
  const rank = Math.max(1, Math.ceil(p * size));
  let seen = 0;
  const bucket = histogram.findIndex((count) => {
    seen += count;
    return seen >= rank;
  });
  return latencyOf(bucket);
}
