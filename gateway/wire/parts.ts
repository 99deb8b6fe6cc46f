// Opens the parts of a gateway, each with what it needs of the others. None of them serves or judges yet.
import { unsharedOf } from '../admin/unshared.ts';
import type { Shadows } from '../conduct/shadows.ts';
import { AnswerMemory } from '../forward/answer-memory.ts';
import type { Ledger } from '../judge/rollout/ledger.ts';
import { FaultLog } from '../observe/fault-log.ts';
import { addLogMetrics, type Log, type Logger } from '../observe/log.ts';
import { createMetrics, type Metrics } from '../observe/metrics.ts';
import { MissedInputs } from '../observe/missed-inputs.ts';
import { addReadinessMetrics } from '../observe/readiness-metrics.ts';
import { addStoreMetrics } from '../observe/store-metrics.ts';
import { troubleLog } from '../observe/trouble-log.ts';
import type { PolicyInForce } from '../policy/load/in-force.ts';
import { Overload } from '../receive/overload.ts';
import type { GatewaySettings } from '../settings.ts';
import { openStore } from '../store/open-store.ts';
import type { Store } from '../store/store.ts';
import { VERSION } from '../version.ts';
import { type Judge, openJudge } from './judge.ts';
import { openShadows } from './shadows.ts';
import { openUpstream, type Upstream } from './upstream.ts';

export type Parts = {
  readonly judge: Judge;
  readonly upstream: Upstream;
  readonly shadows: Shadows;
  readonly overload: Overload;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly missed: MissedInputs;
  readonly log: Logger;
  readonly faults: FaultLog;
};

/** Opens all parts. Throws UserError for a store that a gateway cannot start with. */
export async function openParts(settings: GatewaySettings, inForce: PolicyInForce, lines: Log): Promise<Parts> {
  const { log } = lines;
  const { policy } = inForce;
  const store = await openStore(settings, {
    onTrouble: troubleLog(log, 'the store'),
    onRecovered: () => log.info('the store works again'),
    rolloutIds: policy.onTrial.flatMap(({ rollouts }) => rollouts.map(({ id }) => id)),
  });
  const upstream = openUpstream(policy, new AnswerMemory(settings.limits.answerMemory), log);
  const { metrics, missed } = openMetrics(inForce, lines, store, upstream, () => judge.rollouts.ledger);
  const { admission, fleet } = upstream;
  const judge = openJudge(settings, policy, { admission, fleet, store, metrics, log });
  const overload = new Overload();
  const shadows = openShadows(policy, {
    models: () => judge.rollouts.models,
    isBusy: () => !overload.hasRoom('batch'),
    digestOf: (version) => upstream.digests.of(version),
    onCompared: (model, candidate, comparisons) => judge.rollouts.countCompared(model, candidate, comparisons),
    store,
    metrics,
    log,
  });
  return { upstream, judge, shadows, overload, store, metrics, missed, log, faults: new FaultLog(log) };
}

function openMetrics(
  inForce: PolicyInForce,
  lines: Log,
  store: Store,
  upstream: Upstream,
  ledger: () => Ledger,
): Pick<Parts, 'metrics' | 'missed'> {
  const metrics = createMetrics(VERSION, () => inForce.standing, upstream.servers);
  addLogMetrics(metrics.registry, lines);
  metrics.follow(inForce.policy);
  const missed = new MissedInputs(metrics.registry);
  missed.follow(inForce.policy);
  addStoreMetrics(metrics.registry, store, () => unsharedOf(store.rollouts.known(), ledger()));
  addReadinessMetrics(metrics.registry, () => upstream.unready.readings());
  return { metrics, missed };
}
