// Opens the ladders of tiers: what they have spent, and who hears of it.
import { CALIBRATION_IGNORED } from '../conduct/ladder-standing.ts';
import { Tiering } from '../conduct/ladders.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { addTierMetrics } from '../observe/tier-metrics.ts';
import type { PolicyInForce } from '../policy/load/in-force.ts';

export function openLadders(inForce: PolicyInForce, metrics: Metrics, log: Logger): Tiering {
  const tiering = new Tiering({
    onAlarm(model, isAlarmed, wantedShare) {
      if (isAlarmed)
        log.warn({ model, wantedShare }, 'a tier has lost its confidence: far more wants to go up than the budget');
      else log.info({ model, wantedShare }, 'as much wants to go up as the budget allows');
    },
    onCalibration(model, tier, standing) {
      if (standing === 'applied') log.info({ model, tier }, 'the calibration is applied');
      else log.warn({ model, tier }, `the calibration is ignored: ${CALIBRATION_IGNORED[standing]}`);
    },
  });
  addTierMetrics(metrics.registry, () => tiering.standings(inForce.policy.ladders));
  return tiering;
}
