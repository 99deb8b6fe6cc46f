// Peak EWMA: how long a server takes, quick to believe in a rise and slow to believe in a fall. Pure.
// Source: Finagle's PeakEwma load balancer (twitter/finagle, finagle-core, loadbalancer/PeakEwma.scala).

/** Time constant of the decay, in milliseconds. */
const TAU_MS = 10_000;

/** A latency in milliseconds and when it was last touched, on any monotonic clock in milliseconds. */
export type Ewma = { readonly ms: number; readonly at: number };

export const UNKNOWN: Ewma = { ms: 0, at: 0 };

/** The estimate after one more latency: a longer one counts at once, a shorter one as time goes by. */
export function observe(ewma: Ewma, latencyMs: number, now: number): Ewma {
  const current = valueAt(ewma, now);
  if (ewma === UNKNOWN || latencyMs > current) return { ms: latencyMs, at: now };
  const weight = Math.exp(-(now - ewma.at) / TAU_MS);
  return { ms: ewma.ms * weight + latencyMs * (1 - weight), at: now };
}

/** The estimate now: without news it falls, so that a server once slow is asked again some time. */
export function valueAt({ ms, at }: Ewma, now: number): number {
  return ms * Math.exp(-(now - at) / TAU_MS);
}
