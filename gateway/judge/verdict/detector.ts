// Evidence that something turned bad, whenever it did: the Shiryaev-Roberts e-detector (Shin, Ramdas, Rinaldo,
// arXiv 2203.03532) with weights that add up to 1 in place of 1 a tick. So it is an e-process: for a candidate that is no
// worse than tolerated, the probability that it ever reaches 1/risk is at most risk, however long one looks (Ville).
import { logMean } from '../evidence/mixture.ts';
import { partOf } from './budget.ts';

/** Beyond this it stops counting: it is far above any threshold, and must stay a number that JSON can say. */
const MOST = 1e15;

export type Detector = {
  /** The value of each alternative considered. Their mean is the evidence. */
  readonly values: readonly number[];
  readonly step: number;
  /** Ticks of this step that could tell something. */
  readonly ticks: number;
  /** The weight spent so far: what the evidence would be if every tick had spoken neither way. */
  readonly spent: number;
};

export const FRESH: Detector = { values: [], step: 0, ticks: 0, spent: 0 };

/**
 * The detector after a tick that could tell something. `logRatios` are the log-likelihood ratios of the alternatives in it;
 * whether it could tell may depend on how many were hit in all, never on whose they were.
 */
export function detect(detector: Detector, step: number, logRatios: readonly number[], most = MOST): Detector {
  const ticks = detector.step === step ? detector.ticks : 0;
  const weight = partOf(step, ticks);
  const values = advanceValues(detector.values, weight, logRatios, most);
  return { values, step, ticks: ticks + 1, spent: detector.spent + weight };
}

/** One tick of the Shiryaev-Roberts recursion: each value grows by the weight and is then multiplied by its ratio. */
export function advanceValues(
  values: readonly number[],
  weight: number,
  logRatios: readonly number[],
  most = Number.MAX_VALUE,
): number[] {
  // A product in logarithms: a tick with a thousand failures would overflow.
  return logRatios.map((log, i) => Math.min(most, Math.exp(Math.log((values[i] ?? 0) + weight) + log)));
}

/** The evidence: an e-value, whose inverse is a p-value that holds at any time. */
export function evidenceOf({ values }: Detector): number {
  return values.length === 0 ? 0 : Math.exp(logMean(values.map(Math.log)));
}

/** Forgets what it has seen and keeps what it has spent. */
export function emptied(detector: Detector): Detector {
  return { ...detector, values: [] };
}
