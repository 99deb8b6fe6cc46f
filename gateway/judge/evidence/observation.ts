// What a tick is judged by.
import type { Crowd, Look } from './callers.ts';
import type { Comparisons } from './disagreement.ts';
import type { FirstHits } from './first-hits.ts';
import type { Histogram } from './histogram.ts';
import type { ServerClass, Traffic } from './tally.ts';

/** What was seen since the last tick. */
export type Observation = {
  readonly traffic: Traffic;
  /** Who was hit for the first time in the runs under way, and what callers' own rates say where a look was due. */
  readonly hits: FirstHits;
  readonly looks: readonly Look[];
  /** How many groups of callers asked since the last move. */
  readonly crowd: Crowd;
  readonly comparisons: Comparisons;
  /** The baseline's latencies of the last minutes: where slowness will be asked. Called once a minute. */
  readonly recent: () => Readonly<Record<ServerClass, Histogram>>;
  /** Whether some server can answer for the candidate, and some for the baseline. */
  readonly isReady: boolean;
  /** Whether the candidate's servers have answered enough to be as fast as they will be. */
  readonly isWarm: boolean;
  /** Whether servers of the baseline have answered anyone here, also before this rollout was watched. */
  readonly isAsked: boolean;
  /** The part of the traffic, 0 to 1, that the candidate's servers are enough for. */
  readonly capacity: number;
  /** The part of the traffic, 0 to 1, that the baseline's servers are enough for. */
  readonly room: number;
};

export type Moment = {
  /** Since the last tick, on a monotonic clock. */
  readonly elapsedMs: number;
  /** ISO wall-clock time, for people. */
  readonly at: string;
  /** The kill switch: without it nothing moves but by a person's hand. */
  readonly isAutomatic: boolean;
};
