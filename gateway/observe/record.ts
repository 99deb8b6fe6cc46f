import { isFailure, type Outcome } from '../flow.ts';
import type { FaultLog } from './fault-log.ts';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

/** Remembers an outcome: counted always, told to the log of faults when it failed, logged at `debug` otherwise. Never throws. */
export function createRecorder(metrics: Metrics, log: Logger, faults: FaultLog): (outcome: Outcome) => void {
  return (outcome) => {
    metrics.record(outcome);
    if (isFailure(outcome.class) || outcome.class === 'own_limit') faults.tell(outcome);
    else log.debug(outcome, 'answered');
  };
}
