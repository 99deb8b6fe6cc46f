// Load as it arrives in life: requests start when they are due, whether or not earlier ones were answered.
import { setTimeout as sleep } from 'node:timers/promises';

export type Load<T> = {
  readonly perSecond: number;
  readonly forMs: number;
  /** Sends one request. `signal` aborts when the run's patience with it is over. */
  readonly send: (index: number, signal: AbortSignal) => Promise<T>;
  /** How long after its planned time a request may take before it is aborted; 30 s by default. */
  readonly patienceMs?: number;
};

/** One request of a run. Milliseconds, `plannedMs` from the start of the run. */
export type Sent<T> = {
  readonly plannedMs: number;
  /** How much later than planned it started: the generator's own delay, which is part of `latencyMs`. */
  readonly lateMs: number;
  readonly latencyMs: number;
  readonly result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };
};

/** The requests of a run in the order planned, and quantiles of their latency in ms; `q` in [0, 1]. */
export type LoadReport<T> = {
  readonly sent: readonly Sent<T>[];
  readonly latency: (q: number) => number;
  /** The generator's own worst delay. Where it is near the latencies, this process was too busy to measure them. */
  readonly worstLateMs: number;
};

/**
 * Sends `perSecond` requests a second for `forMs` and waits for the last. Latency counts from the moment a request was
 * planned, so a stall of the target shows in every request that was due meanwhile; a closed loop would simply not have
 * sent those (Tene's "coordinated omission", told in the README of wrk2). Run the target in another process when
 * its latency is what you measure: here the two share an event loop.
 */
export async function openLoop<T>({ perSecond, forMs, send, patienceMs = 30_000 }: Load<T>): Promise<LoadReport<T>> {
  const count = Math.floor((perSecond * forMs) / 1000);
  const start = performance.now();
  const running: Promise<Sent<T>>[] = [];
  while (running.length < count) {
    const due = Math.min(count, Math.floor(((performance.now() - start) * perSecond) / 1000) + 1);
    while (running.length < due) {
      const index = running.length;
      running.push(sendOne(index, start + (index * 1000) / perSecond, start, patienceMs, send));
    }
    await sleep(1);
  }
  return reportOf(await Promise.all(running));
}

async function sendOne<T>(
  index: number,
  planned: number,
  start: number,
  patienceMs: number,
  send: Load<T>['send'],
): Promise<Sent<T>> {
  const lateMs = performance.now() - planned;
  const abort = new AbortController();
  const impatience = setTimeout(() => abort.abort(new Error(`no end within ${patienceMs} ms`)), patienceMs - lateMs);
  const gaveUp = new Promise<never>((_, reject) => {
    abort.signal.addEventListener('abort', () => reject(abort.signal.reason), { once: true });
  });
  const result = await Promise.race([send(index, abort.signal), gaveUp]).then(
    (value) => ({ ok: true, value }) as const,
    (error: unknown) => ({ ok: false, error }) as const,
  );
  clearTimeout(impatience);
  return { plannedMs: planned - start, lateMs, latencyMs: performance.now() - planned, result };
}

function reportOf<T>(sent: readonly Sent<T>[]): LoadReport<T> {
  const latencies = Float64Array.from(sent, ({ latencyMs }) => latencyMs).sort();
  return {
    sent,
    latency: (q) => latencies[Math.min(latencies.length - 1, Math.floor(q * latencies.length))] ?? Number.NaN,
    worstLateMs: sent.reduce((worst, { lateMs }) => Math.max(worst, lateMs), 0),
  };
}
