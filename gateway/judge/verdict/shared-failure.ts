// When the baseline fails alike, it is not the candidate. A ceiling may only be held against a candidate that the baseline
// tells apart, however few callers are left on the baseline.
import type { Hits } from '../evidence/tally.ts';
import { type Detector, evidenceOf } from './detector.ts';

/** Evidence at which the baseline breaches a ceiling for certain. It need not be strong, for it ends nothing. */
const BREACHED = 20;
/** How unlikely the baseline's answers must be for a version that fails like the candidate. */
const APART = 0.01;

/** Whether the baseline itself breaches a ceiling, beyond doubt. */
export function isBreached(baseline: Detector): boolean {
  return evidenceOf(baseline) >= BREACHED;
}

/**
 * Whether the baseline may be failing like the candidate: it looks as if it breaches the limit right now (`recent` is its rate
 * in the last seconds), or it has answered too little, since the evidence began to grow, to tell.
 */
export function mayBeShared(candidate: Hits, baseline: Hits, recent: number, limit: number): boolean {
  if (recent > limit) return true;
  return (1 - candidate.hits / candidate.trials) ** baseline.trials > APART;
}
