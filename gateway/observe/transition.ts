// What is remembered and told of a rollout that moved: a metric, a log line, an audit entry and a notification.
import { randomUUID } from 'node:crypto';
import type { RolloutMove } from '../standings.ts';
import type { AuditTrail } from '../store/store.ts';
import type { Logger } from './log.ts';
import type { Notifier } from './notify.ts';
import type { RolloutMetrics } from './rollout-metrics.ts';

export type TransitionDeps = {
  readonly metrics: RolloutMetrics;
  readonly log: Logger;
  readonly audit: AuditTrail;
  readonly notifier: Notifier;
};

/** Tells everyone of a transition; resolves when it is on record. */
export async function recordTransition(deps: TransitionDeps, transition: RolloutMove): Promise<void> {
  const { metrics, log, audit, notifier } = deps;
  const text = textOf(transition);
  metrics.moved(transition);
  // Callers were taken away from a candidate, or only here: worth a look, though not at night.
  if (transition.isUrgent || transition.event === 'suspend' || !transition.isShared) log.warn(transition, text);
  else log.info(transition, text);
  notifier.send({ text, ...transition });
  await audit.append({ id: randomUUID(), ...transition, at: Date.parse(transition.at) });
}

/** For a move that takes callers away and could not be shared: it is carried out all the same. */
export const HERE_ONLY =
  'it holds at this gateway only: the shared store does not take it, so the other gateways go on with the candidate; they get it as soon as the store is back';

function textOf({ kind, rollout, model, candidate, from, to, sentence, isShared }: RolloutMove): string {
  if (from === to) return `rollout ${rollout} (${candidate} of ${model}) stays ${from}: ${sentence}`;
  const verb = kind === 'moved' ? 'went' : 'would go (dry run)';
  const reach = isShared ? '' : ` (${HERE_ONLY})`;
  return `rollout ${rollout} (${candidate} of ${model}) ${verb} from ${from} to ${to}: ${sentence}${reach}`;
}
