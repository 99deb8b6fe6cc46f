// Evidence against a ceiling: a rate of the candidate that is too high, whatever the baseline's is.
import { type Grown, grow, NOT_GROWN } from '../evidence/grown.ts';
import { BLOCK_MOST, BLOCK_MS } from '../evidence/runs.ts';
import { countedOf, type Tick } from '../evidence/tick.ts';
import { evidenceAbove } from './absolute.ts';
import { type Detector, detect, emptied, evidenceOf, FRESH } from './detector.ts';
import { isBreached } from './shared-failure.ts';

/** A ceiling's evidence. */
export type Ceiling = { readonly detector: Detector; readonly grown: Grown };

export const NO_CEILING: Ceiling = { detector: FRESH, grown: NOT_GROWN };

/** As far as the baseline's evidence is followed, so that it falls again soon after a shared failure. */
const BASELINE_MOST = 1e4;

/** The evidence with one more tick, and the baseline's against the same ceiling; without a limit nothing changes. */
export function weighCeiling(
  { detector, grown }: Ceiling,
  before: Detector,
  signal: number,
  limit: number | undefined,
  tick: Tick,
): { readonly ceiling: Ceiling; readonly baseline: Detector } {
  if (limit === undefined) return { ceiling: { detector, grown }, baseline: before };
  const [mine, theirs] = [countedOf(tick, 'candidate', signal), countedOf(tick, 'baseline', signal)];
  const { step, elapsedMs, at, isBounded } = tick;
  const occasions = mine.hits > 0 ? 1 : 0;
  const logs = evidenceAbove(mine, limit);
  const baseline = theirs.trials === 0 ? before : detect(before, step, evidenceAbove(theirs, limit), BASELINE_MOST);
  const ceiling = {
    detector: mine.trials === 0 ? detector : detect(detector, step, isBounded ? boundedLogs(logs, elapsedMs) : logs),
    grown: grow(grown, isNeutral(detector), { occasions, candidate: mine, baseline: theirs }, elapsedMs, at),
  };
  // What happened during a shared failure must not be held against the candidate when the failure is over.
  return isBreached(baseline)
    ? { ceiling: { ...ceiling, detector: emptied(ceiling.detector) }, baseline }
    : { ceiling, baseline };
}

/** A burst within a few seconds is worth no more against a ceiling than against the baseline. */
function boundedLogs(logs: readonly number[], ms: number): number[] {
  return logs.map((log) => Math.min(log, (BLOCK_MOST * ms) / BLOCK_MS));
}

/** Whether a detector has seen nothing that speaks against the candidate. */
export function isNeutral(detector: Detector): boolean {
  return evidenceOf(detector) <= detector.spent;
}
