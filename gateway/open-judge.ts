// Wires the rollouts, what judges them every second, and who hears of it.
import type { GatewaySettings } from './env.ts';
import type { Admission } from './forward/admission.ts';
import { capacityOf } from './forward/capacity.ts';
import type { Fleet } from './forward/fleet.ts';
import { readingOf, transitionOf } from './judge/told.ts';
import type { Logger } from './observe/log.ts';
import type { Metrics } from './observe/metrics.ts';
import { createNotifier } from './observe/notify.ts';
import { addRolloutMetrics } from './observe/rollout-metrics.ts';
import { progressFile } from './observe/store/progress-file.ts';
import type { Store } from './observe/store/store.ts';
import { recordTransition } from './observe/transition.ts';
import { PerTick } from './per-tick.ts';
import type { Policy } from './policy/policy.ts';
import { Replicas } from './replicas.ts';
import { Rollouts } from './rollouts.ts';

/** The judge of a running gateway. */
export type Judge = {
  readonly rollouts: Rollouts;
  readonly perTick: PerTick;
  readonly start: () => Promise<void>;
  readonly update: (policy: Policy) => void;
  readonly close: () => Promise<void>;
};

type Parts = {
  readonly admission: Admission;
  readonly fleet: Fleet;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly log: Logger;
};

/** Opens the judge of a policy's rollouts; it begins with `start`. */
export function openJudge(
  settings: GatewaySettings,
  policy: Policy,
  { admission, fleet, store, metrics, log }: Parts,
): Judge {
  const rollouts = new Rollouts(policy);
  const notifier = createNotifier(settings.notifyUrl, (notice, reason) =>
    log.error({ notice, reason }, 'a notification could not be delivered'),
  );
  const deps = {
    metrics: addRolloutMetrics(metrics.registry, () =>
      rollouts.current.map(({ rollout, state }) => readingOf(rollout, state, rollouts.besides(rollout))),
    ),
    log,
    notifier,
  };
  const perTick = new PerTick({
    rollouts,
    store: store.rollouts,
    replicas: store.health().kind === 'redis' ? new Replicas(store.outcomes, store.now) : undefined,
    withheld: () => admission.withheld,
    serversOf: (rollout) => serversOf(rollout, rollouts, fleet, warmUp),
    warmUp: (versions) => warmUp.want(versions),
    progress: progressFile(settings.data, (error) => log.error({ err: error }, 'the progress of rollouts')),
    isAutomatic: settings.isAutomatic,
    tell: (action, state) => recordTransition({ ...deps, audit: store.audit }, transitionOf(action, state)),
    onTrouble: (error) => log.error({ err: error }, 'the judge'),
  });
  return {
    rollouts,
    perTick,
    start: () => perTick.start(),
    update: (next) => {
      rollouts.follow(next);
      for (const { id, sentence } of rollouts.refusals) log.error({ rollout: id }, sentence);
      // A new candidate need not wait for the next second.
      void admission.check().then(() => perTick.tick());
    },
    close: async () => {
      await perTick.close();
      notifier.close();
    },
  };
}
