import type { Answer, Exposure } from '../flow.ts';
import { armSums } from './experiment-summary.ts';
import type { ExperimentCounts } from './store.ts';

/** Remembers who saw which arm of an experiment, and how the arm fared. Returns at once. */
export function createExposer(experiments: ExperimentCounts): (exposure: Exposure, answer: Answer) => void {
  return ({ experiment, arm, unit }, answer) => {
    if (unit !== undefined) experiments.expose(experiment, arm, unit);
    experiments.add(experiment, arm, armSums(answer.class, answer.latencyMs));
  };
}
