import type { Outcome } from '../flow.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

/** Remembers an outcome: counted always, logged at `warn` when the model failed and at `debug` otherwise. Never throws. */
export function createRecorder(metrics: Metrics, log: Logger): (outcome: Outcome) => void {
  return (outcome) => {
    metrics.record(outcome);
    if (outcome.class === 'model_fault') log.warn(outcome, 'a model failed to answer');
    else log.debug(outcome, 'answered');
  };
}
