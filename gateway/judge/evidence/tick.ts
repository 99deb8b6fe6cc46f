// What one tick showed, as the guards look at it.
import type { Guards } from '../../policy/policy.ts';
import type { Crowd, Look } from './callers.ts';
import type { Comparisons } from './disagreement.ts';
import { allOf, countOf, EDGES, FAILED, type FirstHits, OVER, SLOW } from './first-hits.ts';
import type { Hits, Traffic } from './tally.ts';

export type Tick = {
  readonly traffic: Traffic;
  readonly hits: FirstHits;
  readonly looks: readonly Look[];
  readonly crowd: Crowd;
  readonly comparisons: Comparisons;
  readonly guards: Guards;
  /** From 0. */
  readonly step: number;
  readonly elapsedMs: number;
  /** Failing units that were found to be no fault of the candidate. */
  readonly excusedUnits: number;
  readonly isServed: boolean;
  /** Whether a burst may be worth little only: in a probe, and after a suspension that was nothing. */
  readonly isBounded: boolean;
  /** Wall-clock time, for people. */
  readonly at: string;
};

/** Answers whose latency counts, and those of them beyond the upper edge. */
export function slowOf({ traffic, hits }: Pick<Tick, 'traffic' | 'hits'>, side: 'candidate' | 'baseline'): Hits {
  return timedOf({ traffic, hits }, side, SLOW + EDGES - 1);
}

/** Answers whose latency counts, and those of them beyond the policy's ceiling. */
export function overOf({ traffic, hits }: Pick<Tick, 'traffic' | 'hits'>, side: 'candidate' | 'baseline'): Hits {
  return timedOf({ traffic, hits }, side, OVER);
}

function timedOf(
  { traffic, hits }: Pick<Tick, 'traffic' | 'hits'>,
  side: 'candidate' | 'baseline',
  signal: number,
): Hits {
  const { cpu, gpu } = traffic[side].timed;
  return { trials: cpu + gpu, hits: Math.min(cpu + gpu, allOf(hits, signal, side === 'candidate' ? 0 : 1)) };
}

/** First hits of this minute: the shortest run, in which no one is counted twice. */
export function firstInRun(hits: FirstHits, signal: number, arm: 0 | 1): number {
  return countOf(hits, signal, 0, arm);
}

/** All requests, each unit's up to its first hit of the minute: a rate in requests, as people think of it. */
export function countedOf({ traffic, hits }: Tick, side: 'candidate' | 'baseline', signal: number): Hits {
  const { judged, timed } = traffic[side];
  const first = firstInRun(hits, signal, side === 'candidate' ? 0 : 1);
  const isFailure = signal === FAILED;
  const all = isFailure ? judged.trials - judged.hits : timed.cpu + timed.gpu;
  return { trials: Math.max(first, Math.round(all * hits.part) + (isFailure ? first : 0)), hits: first };
}
