// When the baseline fails alike, it is not the candidate. A ceiling may only be held against a candidate that the baseline
// tells apart, however few callers are left on the baseline.
import { type Detector, evidenceOf } from './detector.ts';
import { type Hits, NOTHING, type Tally } from './tally.ts';

/** What of the past counts at each tick: the last two or three seconds. */
const KEPT = 0.5;
/** After so many ticks without an answer of the baseline there is no control to wait for. */
const SILENT = 5;
/** Evidence at which the baseline breaches a ceiling for certain. It need not be strong, for it ends nothing. */
const BREACHED = 20;
/** How unlikely the baseline's answers must be for a version that fails like the candidate. */
const APART = 0.01;

/** The baseline's last seconds, and for how many ticks it has been silent. */
export type Recent = { readonly errors: Hits; readonly over: Hits; readonly silent: number };

export const NO_RECENT: Recent = { errors: NOTHING, over: NOTHING, silent: SILENT };

/** The last seconds with one more tick. */
export function addRecent({ errors, over, silent }: Recent, baseline: Tally): Recent {
  const answered = baseline.errors.counted;
  return {
    errors: faded(errors, answered),
    over: faded(over, baseline.over.counted),
    silent: answered.trials === 0 ? silent + 1 : 0,
  };
}

function faded(recent: Hits, tick: Hits): Hits {
  return { trials: recent.trials * KEPT + tick.trials, hits: recent.hits * KEPT + tick.hits };
}

/** Whether the baseline itself breaches a ceiling, beyond doubt. */
export function isBreached(baseline: Detector): boolean {
  return evidenceOf(baseline) >= BREACHED;
}

/** Whether there is a baseline to compare with. */
export function isLive({ silent }: Recent): boolean {
  return silent < SILENT;
}

/** The baseline's rate in the last seconds; one hit of a sparse baseline fades from it. */
export function recentRate({ trials, hits }: Hits): number {
  return hits / (trials + 1);
}

/**
 * Whether the baseline may be failing like the candidate: it looks as if it breaches the limit right now, or it has
 * answered too little, since the evidence began to grow, to tell.
 */
export function mayBeShared(candidate: Hits, baseline: Hits, recent: Hits, limit: number): boolean {
  if (recentRate(recent) > limit) return true;
  return (1 - candidate.hits / candidate.trials) ** baseline.trials > APART;
}
