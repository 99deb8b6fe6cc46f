// How far the tiers' claims of confidence can be trusted: from the newest comparisons of a tier with the last one.
import type { FastifyInstance } from 'fastify';
import type { Comparison } from '../compare/comparison.ts';
import { calibrated } from '../decide/calibrate.ts';
import type { Model, TieredModel } from '../policy/policy.ts';
import type { Store } from '../store/store.ts';
import { fromComparisons, whyNotLogged } from '../tune/from-comparisons.ts';
import { type Reliability, reliabilityOf } from '../tune/reliability.ts';
import { isRight } from '../tune/trial.ts';
import { storeError } from './store-error.ts';

export type CalibrationRoutesDeps = {
  /** As they are served now. */
  readonly models: () => ReadonlyMap<string, Model>;
  readonly store: Pick<Store, 'comparisons'>;
};

/** One tier's claims beside how often the last tier agreed. `calibrated` uses the calibration of the file that answered. */
export type CalibrationReport = {
  readonly model: string;
  readonly tier: string;
  readonly last: string;
  readonly claimed: Reliability;
  readonly calibrated: Reliability | undefined;
};

/** A tier whose claims the comparisons do not hold. */
export type NoCalibrationReport = {
  readonly model: string;
  readonly tier: string;
  readonly last: string;
  readonly why: string;
};

export type TierReport = CalibrationReport | NoCalibrationReport;

const PAGE = 500;
const PAGES = 4;
/** The console asks every few seconds, and the curve moves slowly. */
const KEPT_MS = 5000;

/**
 * Adds `GET /api/calibration`: a report for each tier whose answers a shadow compares with the last tier's, or why there is
 * none.
 */
export function addCalibrationRoutes(app: FastifyInstance, { models, store }: CalibrationRoutesDeps): void {
  let kept: { readonly at: number; readonly reports: readonly TierReport[] } | undefined;
  app.get('/api/calibration', async (_request, reply) => {
    if (kept === undefined || performance.now() - kept.at > KEPT_MS)
      kept = { at: performance.now(), reports: await reportsOf(models(), store) };
    return reply.send({ tiers: kept.reports });
  });
}

async function reportsOf(models: ReadonlyMap<string, Model>, store: Pick<Store, 'comparisons'>): Promise<TierReport[]> {
  const reports: TierReport[] = [];
  for (const ladder of models.values()) {
    if (ladder.kind !== 'tiers' || ladder.escalation === undefined) continue;
    const last = [...ladder.ladder.keys()].at(-1) ?? '';
    for (const [tier, model] of ladder.ladder) {
      const shadow = model.shadows.find(
        ({ target }) => target.version === undefined && target.model === ladder.ladder.get(last)?.name,
      );
      if (shadow === undefined || tier === last) continue;
      const from = ladder.escalation.confidence.get(tier);
      const why = from && whyNotLogged(from);
      if (why !== undefined) {
        reports.push({ model: ladder.name, tier, last, why });
        continue;
      }
      const report = reportOf(ladder, tier, last, await newest(store, model.name, shadow.name));
      if (report.claimed.count > 0) reports.push(report);
    }
  }
  return reports;
}

async function newest(
  { comparisons }: Pick<Store, 'comparisons'>,
  model: string,
  shadow: string,
): Promise<Comparison[]> {
  const found: Comparison[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES; page++) {
    const answer = await comparisons.page({ model, shadow, limit: PAGE, cursor }).catch(storeError);
    found.push(...answer.comparisons);
    cursor = answer.cursor;
    if (cursor === undefined) break;
  }
  return found;
}

function reportOf(
  { name, escalation }: TieredModel,
  tier: string,
  last: string,
  comparisons: readonly Comparison[],
): CalibrationReport {
  const { trials } = fromComparisons(comparisons, () => [tier, last], new Map(), new Map());
  const files = escalation?.calibrations.get(tier) ?? [];
  const claims = trials.flatMap((trial) => {
    const said = trial.tiers.get(tier);
    const right = isRight(trial, tier, last, 'last tier');
    if (said?.confidence === undefined || right === undefined) return [];
    const method = files.find(({ sha256 }) => sha256 === said.digest)?.method;
    return [{ confidence: said.confidence, isRight: right, method }];
  });
  const fitted = claims.flatMap(({ method, ...claim }) => (method === undefined ? [] : [{ ...claim, method }]));
  return {
    model: name,
    tier,
    last,
    claimed: reliabilityOf(claims),
    calibrated:
      fitted.length === 0
        ? undefined
        : reliabilityOf(
            fitted.map(({ method, confidence, ...rest }) => ({ ...rest, confidence: calibrated(method, confidence) })),
          ),
  };
}
