// Wires the rollouts, what judges them every second, and who hears of it.
import { PerTick } from '../conduct/per-tick.ts';
import { Replicas } from '../conduct/replicas.ts';
import { Rollouts } from '../conduct/rollouts.ts';
import { capacityOf } from '../forward/fleet/capacity.ts';
import { poster } from '../forward/fleet/dial.ts';
import type { Fleet } from '../forward/fleet/fleet.ts';
import type { Admission } from '../forward/watch/admission.ts';
import { WarmUp } from '../forward/watch/warm-up.ts';
import { readingOf, transitionOf, type Unjudged, unjudgedOf } from '../judge/rollout/told.ts';
import { ROLLOUT_EVENTS } from '../judge/rollout/transitions.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { createNotifier, type Notifier } from '../observe/notify.ts';
import { addRolloutMetrics, type RolloutMetrics } from '../observe/rollout-metrics.ts';
import { recordTransition } from '../observe/transition.ts';
import { troubleLog } from '../observe/trouble-log.ts';
import type { Policy, Rollout } from '../policy/policy.ts';
import type { GatewaySettings } from '../settings.ts';
import { progressFile } from '../store/files/progress-file.ts';
import type { Store } from '../store/store.ts';

/** How long the receiver of a notice may take. */
const NOTICE_WITHIN_MS = 5000;

/** The judge of a running gateway. */
export type Judge = {
  readonly rollouts: Rollouts;
  readonly perTick: PerTick;
  /** Hears of every answer, for copies to candidates that are soon to have callers. */
  readonly warmUp: WarmUp;
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
  const warmUp = new WarmUp(fleet);
  const notifier = createNotifier(settings.notifyUrl, poster(NOTICE_WITHIN_MS), (notice, reason) =>
    log.error({ notice, reason }, 'a notification could not be delivered'),
  );
  const deps = { metrics: metricsOf(rollouts, metrics), log, notifier };
  const onTrouble = troubleLog(log, 'the judge');
  const perTick = new PerTick({
    rollouts,
    store: store.rollouts,
    replicas: store.health().kind === 'redis' ? new Replicas(store.outcomes, store.now, onTrouble) : undefined,
    withheld: () => admission.withheld,
    serversOf: (rollout) => serversOf(rollout, rollouts, fleet, warmUp),
    warmUp: (wanted) => warmUp.want(wanted.map(({ candidate, warmUp: answers }) => ({ version: candidate, answers }))),
    progress: progressFile(settings.data, store.damages),
    isAutomatic: settings.isAutomatic,
    tell: (action, state, isShared) =>
      recordTransition({ ...deps, audit: store.audit }, { ...transitionOf(action, state), isShared }),
    onTrouble,
    onHeld: (held, isOver) => reportHeld(unjudgedOf(held, rollouts.isUnreadable(held.id)), isOver, log, notifier),
  });
  return {
    rollouts,
    perTick,
    warmUp,
    start: () => perTick.start(),
    update: (next) => {
      rollouts.follow(next);
      for (const { id, sentence } of rollouts.refusals) log.error({ rollout: id }, sentence);
      // A new candidate need not wait for the next second.
      void admission.check().then(() => perTick.tick());
    },
    close: async () => {
      await perTick.close();
      await warmUp.close();
      notifier.close();
    },
  };
}

function metricsOf(rollouts: Rollouts, { registry }: Metrics): RolloutMetrics {
  return addRolloutMetrics(
    registry,
    () =>
      rollouts.current.map(({ rollout, state }) =>
        readingOf(rollout, state, rollouts.besides(rollout), rollouts.isHeld(state.id)),
      ),
    // One that was rolled back moves no more; there may be very many of these.
    () =>
      [...rollouts.ledger.values()]
        .filter(({ phase }) => phase.name !== 'rolled_back')
        .map(({ model, id }) => ({ model, rollout: id })),
    ROLLOUT_EVENTS,
  );
}

/** How much of the traffic the servers of both versions are enough for, and whether the candidate's are warm. */
function serversOf(rollout: Rollout, rollouts: Rollouts, fleet: Fleet, warmUp: WarmUp) {
  const { candidate, warmUp: answers } = rollout;
  const model = rollouts.models.get(candidate.model);
  const isWarm = warmUp.isWarm({ version: candidate, answers });
  const own = rollouts.baselineFor(rollout);
  if (model?.kind !== 'served' || own === undefined) return { capacity: 1, room: 1, isWarm, isAsked: false };
  const [mine, theirs] = [fleet.placementOf(candidate), fleet.placementOf(own)];
  const now = performance.now();
  const isAsked = theirs.seats.some(({ answered }) => answered > 0);
  return { capacity: capacityOf(mine, theirs, now), room: capacityOf(theirs, mine, now), isWarm, isAsked };
}

/** A rollout that no one can judge is for a person to look at. */
function reportHeld({ id, sentence, next }: Unjudged, isOver: boolean, log: Logger, notifier: Notifier): void {
  const text = isOver
    ? `rollout ${id} can be judged again`
    : `rollout ${id} is held on its baseline: ${sentence}; next: ${next}`;
  if (isOver) log.info({ rollout: id }, text);
  else log.error({ rollout: id }, text);
  notifier.send({ text, rollout: id, kind: 'held', isUrgent: !isOver });
}
