// The listener for people, probes and Prometheus, connected to what it shows and moves.
import type { FastifyInstance } from 'fastify';
import { ADMIN_PATHS, addAdminRoutes } from '../admin/api.ts';
import { type StatusInput, statusOf } from '../admin/status.ts';
import { unsharedOf } from '../admin/unshared.ts';
import type { Rollouts } from '../conduct/rollouts.ts';
import { addPassthrough } from '../forward/passthrough.ts';
import { standingOf, unjudgedOf } from '../judge/rollout/told.ts';
import { createListener } from '../receive/http/listener.ts';
import { VERSION } from '../version.ts';
import type { Open } from './data-listener.ts';

/** Of a call of the admin listener: 10,000 alerts, the most in one notification, are less than 4 MiB. */
const ADMIN_BODY_BYTES = 4 * 1024 * 1024;

export function createAdminListener(open: Open): FastifyInstance {
  const { common, settings, inForce, parts } = open;
  const { judge, shadows, store, metrics } = parts;
  const { rollouts, perTick } = judge;
  // The metric of refused requests counts those of applications.
  const admin = createListener({
    ...common,
    limits: { ...settings.limits, bodyLimit: Math.min(settings.limits.bodyLimit, ADMIN_BODY_BYTES) },
    bodyType: 'application/json', // a form must never be taken for JSON
    paths: ADMIN_PATHS,
    onRefused: () => {},
  });
  const status = statusReader(open);
  addAdminRoutes(admin, {
    token: settings.adminToken,
    metrics,
    status,
    isDraining: common.isDraining,
    statesOf: (model) => rollouts.current.map(({ state }) => state).filter((state) => state.model === model),
    order: (id, order, expected) => perTick.order(id, order, expected),
    heed: (alert) => perTick.heed(alert),
    audit: store.audit,
    store,
    models: () => rollouts.models,
    pauseShadow: shadows.pause,
    hasShadow: (model, shadow) => shadows.standingsOf(model).some(({ name }) => name === shadow),
  });
  addPassthrough(admin, { fleet: () => inForce.policy.fleet });
  return admin;
}

/** Reads the status document, as everything is now. */
function statusReader({ common, settings, inForce, parts, tiering }: Open): () => ReturnType<typeof statusOf> {
  const { upstream, judge, shadows, store, missed } = parts;
  const { rollouts } = judge;
  const startedAt = new Date().toISOString();
  return () =>
    statusOf({
      version: VERSION,
      startedAt,
      draining: common.isDraining(),
      models: rollouts.models,
      standing: inForce.standing,
      withheld: upstream.admission.withheld,
      unreadyOf: (model, version) => upstream.unready.of(model, version),
      shadowsOf: shadows.standingsOf,
      missedOf: (model) => missed.of(model),
      ladderOf: (model) => tiering.standingOf(model),
      ...standingsOf(rollouts),
      refusals: rollouts.refusals,
      store: store.health(),
      damaged: store.damages.list(),
      unshared: unsharedOf(store.rollouts.known(), rollouts.ledger),
      isAutomatic: settings.isAutomatic,
      servers: upstream.servers(),
    });
}

/** Where every rollout is, and which of them no one can judge. */
function standingsOf(rollouts: Rollouts): Pick<StatusInput, 'rollouts' | 'held'> {
  const held = rollouts.held.map((each) => unjudgedOf(each, rollouts.isUnreadable(each.id)));
  const unjudged = new Map(held.map((each) => [each.id, each]));
  const standings = rollouts.current.map(({ rollout, state }) =>
    standingOf(rollout, state, rollouts.besides(rollout), unjudged.get(state.id)),
  );
  return { rollouts: standings, held };
}
