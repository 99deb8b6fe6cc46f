// What one comparison adds to the sums. summary.ts reads the same keys.
import { bucketOf, DISTANCE, LATENCY } from '../statistics/log-buckets.ts';
import { addTo, keyBelow } from '../statistics/sums.ts';
import { type Comparison, type FieldComparison, isComparable, type SideFacts } from './comparison.ts';
import { disagrees, isCompared } from './disagreement.ts';

const MAX_SLICE_LENGTH = 64;

/** Adds a comparison to the sums of its shadow. */
export function tally(comparison: Comparison, into: Map<string, number>): void {
  const { kind, baseline, candidate, fields, noise, slices } = comparison;
  addTo(into, 'pairs', 1);
  addTo(into, keyBelow('kind', kind), 1);
  if (kind === 'candidate_error') addTo(into, keyBelow('error', failureOf(candidate)), 1);
  if (isComparable(kind)) addLatency(baseline.latencyMs, candidate.latencyMs, into);
  for (const field of fields) addField(field, into);
  if (noise !== undefined && isCompared(noise.kind)) {
    addTo(into, 'noise/pairs', 1);
    if (disagrees(noise.kind)) addTo(into, 'noise/different', 1);
    for (const { field, same } of noise.fields) if (!same) addTo(into, keyBelow(keyBelow('field', field), 'noise'), 1);
  }
  for (const [name, value] of Object.entries(slices ?? {})) addSlice(name, value, kind, into);
}

function failureOf({ fault, status }: SideFacts): string {
  if (fault !== undefined) return fault;
  return status >= 500 ? '5xx' : '4xx';
}

function addLatency(baselineMs: number, candidateMs: number, into: Map<string, number>): void {
  addTo(into, 'latency/pairs', 1);
  addTo(into, 'latency/baseline', baselineMs);
  addTo(into, 'latency/candidate', candidateMs);
  addTo(into, keyBelow('latency/difference', String(bucketOf(candidateMs - baselineMs, LATENCY))), 1);
}

function addSlice(name: string, value: string, kind: Comparison['kind'], into: Map<string, number>): void {
  const prefix = keyBelow(keyBelow('slice', name), value.slice(0, MAX_SLICE_LENGTH));
  addTo(into, keyBelow(prefix, 'pairs'), 1);
  if (disagrees(kind)) addTo(into, keyBelow(prefix, 'different'), 1);
  if (kind === 'candidate_error') addTo(into, keyBelow(prefix, 'error'), 1);
  else if (!isCompared(kind)) addTo(into, keyBelow(prefix, 'aside'), 1);
}

function addField(found: FieldComparison, into: Map<string, number>): void {
  const prefix = keyBelow('field', found.field);
  const below = (name: string) => keyBelow(prefix, name);
  addTo(into, keyBelow(below('as'), found.as), 1);
  if (!found.same) addTo(into, below('differ'), 1);
  addTo(into, below('distance'), found.distance);
  addTo(into, keyBelow(below('h'), String(bucketOf(found.distance, DISTANCE))), 1);
  addDetail(found, below, into);
}

/** Every plain number of a detail is a sum, or its mean is worth telling; the rest is spelled out. */
function addDetail(found: FieldComparison, below: (name: string) => string, into: Map<string, number>): void {
  if (found.as === 'classification') {
    addTo(into, below('rows'), found.rows);
    if (found.flips > 0) addTo(into, below('flips'), found.flips);
    for (const [from, to, rows] of found.cells) {
      addTo(into, keyBelow(below('baseline'), from), rows);
      addTo(into, keyBelow(below('candidate'), to), rows);
      if (from !== to) addTo(into, keyBelow(keyBelow(below('flip'), from), to), rows);
    }
    return;
  }
  if (found.as === 'json') addTo(into, keyBelow(below('difference'), found.difference), 1);
  for (const name of SUMMED[found.as]) {
    const value: unknown = Reflect.get(found, name);
    if (typeof value === 'number') addTo(into, below(name), value);
  }
}

/** Names of what is summed up, by kind. */
export const SUMMED = {
  regression: [
    'count',
    'sum',
    'sumRest',
    'sumAbs',
    'sumSquares',
    'sumSquaresRest',
    'sumRelative',
    'outside',
    'nonFinite',
  ],
  ranking: ['overlap', 'tau', 'rbo'],
  embedding: ['cosine', 'normRatio'],
  text: ['similarity'],
  json: ['count'],
  exact: ['count', 'differing'],
} as const;
