// Draws for the simulations of the judge, from a seed.
import { emptyTally, SILENCE, type Signal, type Tally } from '../../gateway/judge/tally.ts';

/** A generator of numbers in [0, 1): mulberry32. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** How many of `trials` are hit when each is with probability `p`: jumps from hit to hit, so rare ones cost nothing. */
export function binomial(trials: number, p: number, random: () => number): number {
  if (p <= 0) return 0;
  if (p > 0.3) return Array.from({ length: trials }, random).filter((drawn) => drawn < p).length;
  const log = Math.log1p(-p);
  let hits = -1;
  for (let at = 0; at <= trials; at += 1 + Math.floor(Math.log(1 - random()) / log)) hits++;
  return hits;
}

/** Arrivals in a second at a rate. */
export function poisson(rate: number, random: () => number): number {
  // In pieces, for exp(-rate) must not vanish.
  if (rate > 500) return poisson(500, random) + poisson(rate - 500, random);
  const limit = Math.exp(-rate);
  let arrivals = -1;
  for (let product = 1; product > limit; product *= random()) arrivals++;
  return arrivals;
}

/** How an arm behaves: part of its requests that fail, and part that is slower than each edge and than the ceiling. */
export type Behaviour = { readonly errors: number; readonly slow: readonly number[]; readonly over: number };

/** Edges at the quantiles of the baseline, and a latency ceiling that one request in two hundred exceeds. */
export const HEALTHY: Behaviour = { errors: 0.005, slow: [0.5, 0.1, 0.05, 0.01, 0.001], over: 0.005 };

const EDGES = [10, 20, 25, 40, 80];
const SILENT = emptyTally();

/** What so many requests without a caller, all on CPU servers, come to in one tick. */
export function tallyOf(requests: number, { errors, slow, over }: Behaviour, random: () => number): Tally {
  let rest = requests;
  let before = 1;
  const signals = slow.map((part) => {
    rest = binomial(rest, part / before, random); // who is slower than an edge is slower than those below
    before = part;
    return signal(requests, rest);
  });
  const failed = binomial(requests, errors, random);
  return {
    ...SILENT,
    outcomes: { ...SILENT.outcomes, ok: requests - failed, model_fault: failed },
    errors: signal(requests, failed),
    over: signal(requests, binomial(requests, over, random)),
    slow: { cpu: { edges: EDGES, signals }, gpu: SILENT.slow.gpu },
  };
}

function signal(trials: number, hits: number): Signal {
  return { ...SILENCE, request: { trials, hits }, counted: { trials, hits } };
}
