// Orders to rollouts: by people, and by an Alertmanager.
import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { SluiceError } from '../errors.ts';
import type { Alert, Ignored } from '../judge/rollout/alert.ts';
import type { Expected, Order } from '../judge/rollout/order.ts';
import { shortened } from '../judge/rollout/shortened.ts';
import type { RolloutState } from '../judge/rollout/state.ts';
import { HERE_ONLY } from '../observe/transition.ts';
import type { AuditTrail } from '../store/store.ts';
import { bodyOf } from './edits.ts';

/** What became of an order, as the judge says it. */
type Ordered =
  | { readonly kind: 'done'; readonly state: RolloutState; readonly isShared: boolean }
  | { readonly kind: 'refused' | 'outdated' | 'unavailable'; readonly sentence: string };

export type RolloutRoutesDeps = {
  /** States of the rollouts that the policy has. */
  readonly statesOf: (model: string) => readonly RolloutState[];
  readonly order: (id: string, order: Order, expected: Expected) => Promise<Ordered>;
  readonly heed: (alert: Alert) => Promise<Ordered | { readonly kind: 'ignored'; readonly why: Ignored }>;
  readonly audit: AuditTrail;
};

const ACTIONS = ['promote', 'pause', 'resume', 'rollback', 'approve'] as const;
type RolloutAction = (typeof ACTIONS)[number];
const MAX_ALERTS = 10_000;
/** After this number of alerts the event loop has a turn. An alert that names no rollout takes microseconds. */
const ALERTS_A_TURN = 200;

const EDIT = z.strictObject({
  /** Needed where a model has several. */
  rollout: z.string().min(1).max(64).optional(),
  by: z.string().min(1).max(128).default('someone by the admin API'),
  reason: z.string().min(1).max(1000),
});

/** Alertmanagers do not send again what was refused, so a long text is cut and not refused. */
const TEXT = z.string().transform((text) => shortened(text));
/** In one form: times are compared as texts, and JavaScript takes for one what has a comment of any length. */
const TIME = z
  .string()
  .refine((time) => Number.isFinite(Date.parse(time)), 'expected a time')
  .transform((time) => new Date(time).toISOString());
const LABELS = z.record(z.string(), TEXT);

/** Alertmanager's webhook, version 4: what is not named here is not needed. */
const ALERTS = z.object({
  version: z.literal('4'),
  status: z.enum(['firing', 'resolved']).optional(),
  groupKey: TEXT.default('group'),
  groupLabels: LABELS.default({}),
  commonLabels: LABELS.default({}),
  /** Alerts of the group that were cut off. */
  truncatedAlerts: z.number().default(0),
  alerts: z
    .array(
      z.object({
        status: z.enum(['firing', 'resolved']),
        labels: LABELS,
        startsAt: TIME,
        fingerprint: TEXT,
      }),
    )
    .max(MAX_ALERTS),
});

/** Adds `POST /api/models/{model}/rollout/{action}`, `POST /api/alerts` and `GET /api/audit`. */
export function addRolloutRoutes(app: FastifyInstance, deps: RolloutRoutesDeps): void {
  for (const action of ACTIONS)
    app.post<{ Params: { model: string } }>(`/api/models/:model/rollout/${action}`, (request, reply) =>
      edit(deps, request.params.model, action, request, reply),
    );
  app.post('/api/alerts', (request) => takeAlerts(deps, request));
  app.get('/api/audit', async () => ({ entries: await deps.audit.read(100) }));
}

/** 200: every gateway can see it; 202: it holds at this gateway only, and the others get it as soon as the store is back. */
async function edit(
  deps: RolloutRoutesDeps,
  model: string,
  action: RolloutAction,
  request: FastifyRequest,
  reply: FastifyReply,
) {
  const { rollout, by, reason } = bodyOf(EDIT, request);
  const state = stateFor(deps.statesOf(model), model, rollout);
  const epochs = epochsIn(request.headers['if-match']);
  const expected = { epochs, ...(action === 'approve' ? { phase: 'awaiting_approval' as const } : {}) };
  const what = action === 'approve' ? 'promote' : action;
  const order: Order = { what, by: { kind: 'person', name: by }, at: new Date().toISOString(), sentence: reason };
  const { state: moved, isShared } = done(await deps.order(state.id, order, expected), epochs !== undefined);
  const { id, epoch, phase } = moved;
  return reply
    .code(isShared ? 200 : 202)
    .header('etag', `"${epoch}"`)
    .send({ id, epoch, phase, ...reachOf(isShared) });
}

/** The epochs that an `If-Match` names; undefined where any will do. */
function epochsIn(ifMatch: string | undefined): readonly string[] | undefined {
  const named = ifMatch?.split(',').map((tag) => tag.trim().replaceAll('"', ''));
  return named === undefined || named.includes('*') ? undefined : named;
}

function stateFor(states: readonly RolloutState[], model: string, id: string | undefined): RolloutState {
  const found = id === undefined ? states : states.filter((state) => state.id === id);
  if (found.length > 1)
    throw new SluiceError('BAD_REQUEST', `${model} has several rollouts: name one of ${idsOf(found)} as "rollout"`);
  const [state] = found;
  if (state !== undefined) return state;
  throw new SluiceError('UNKNOWN_ROLLOUT', states.length === 0 ? `${model} has none` : `${model} has ${idsOf(states)}`);
}

/** Answers only when everything that follows is durable, so that an Alertmanager sends again what was not. */
async function takeAlerts(deps: RolloutRoutesDeps, request: FastifyRequest) {
  const told = bodyOf(ALERTS, request);
  const alerts = [...told.alerts, ...cutOff(told)];
  const rolledBack: string[] = [];
  const hereOnly: string[] = [];
  const unavailable: string[] = [];
  const ignored: { fingerprint: string; why: Ignored }[] = [];
  for (const [i, alert] of alerts.entries()) {
    if (i % ALERTS_A_TURN === ALERTS_A_TURN - 1) await setImmediate();
    const ordered = await deps.heed(alert);
    if (ordered.kind === 'unavailable') unavailable.push(ordered.sentence); // the other alerts of the body have their effect
    if (ordered.kind === 'done') rolledBack.push(ordered.state.id);
    if (ordered.kind === 'done' && !ordered.isShared) hereOnly.push(ordered.state.id);
    if (ordered.kind === 'ignored') ignored.push({ fingerprint: alert.fingerprint, why: ordered.why });
  }
  if (unavailable.length > 0) throw new SluiceError('STORE_UNAVAILABLE', [...new Set(unavailable)].join('; '));
  const held = hereOnly.length === 0 ? {} : { here_only: [...new Set(hereOnly)], warning: HERE_ONLY };
  return { alerts: told.alerts.length, rolled_back: [...new Set(rolledBack)], ...held, ignored };
}

/** What was cut off is about what all alerts of the group have in common, and fires as the group does. */
function cutOff({ truncatedAlerts, status, groupKey, groupLabels, commonLabels }: z.output<typeof ALERTS>): Alert[] {
  if (truncatedAlerts === 0 || status !== 'firing') return [];
  const labels = { ...commonLabels, ...groupLabels };
  return [{ status, labels, startsAt: new Date().toISOString(), fingerprint: groupKey }];
}

/** Where an order is in effect, for programs and in words. */
function reachOf(isShared: boolean) {
  return isShared ? { held: 'every gateway' } : { held: 'this gateway only', warning: HERE_ONLY };
}

/** `isConditional`: the caller named an epoch, so that the rollout has moved is a condition that failed. */
function done(ordered: Ordered, isConditional: boolean): Extract<Ordered, { kind: 'done' }> {
  if (ordered.kind === 'done') return ordered;
  if (ordered.kind === 'unavailable') throw new SluiceError('STORE_UNAVAILABLE', ordered.sentence);
  const code = ordered.kind === 'outdated' && isConditional ? 'EPOCH' : 'NOT_POSSIBLE';
  throw new SluiceError(code, ordered.sentence);
}

function idsOf(states: readonly RolloutState[]): string {
  return states.map(({ id }) => id).join(', ');
}
