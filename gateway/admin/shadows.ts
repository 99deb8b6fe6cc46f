// Orders to shadows: no more copies, and copies again, at every gateway and until the next order.
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { SluiceError } from '../errors.ts';
import type { AuditTrail } from '../store/store.ts';
import { bodyOf } from './edits.ts';
import { MARKED, UNMARKED } from './noise-marks.ts';

export type ShadowRoutesDeps = {
  /** Undefined when the model has no such shadow; `shared` tells whether other gateways know of it by now. */
  readonly pauseShadow: (model: string, shadow: string, isPaused: boolean) => Promise<{ shared: boolean } | undefined>;
  readonly hasShadow: (model: string, shadow: string) => boolean;
  readonly audit: AuditTrail;
};

const EDIT = z.strictObject({
  by: z.string().min(1).max(128).default('someone by the admin API'),
  reason: z.string().min(1).max(1000),
});

const MARK = EDIT.extend({
  field: z.string().min(1).max(256),
  /** False takes the mark away. */
  isNoise: z.boolean().default(true),
});

const NOT_ON_DISK = 'the disk of this gateway does not take it: it is written again every second';
const SHADOW_HERE_ONLY =
  'it holds at this gateway only: the shared store does not take it; the other gateways get it as soon as the store is back';

/** Adds `POST /api/models/{model}/shadows/{shadow}/{pause|resume|noise}`. */
export function addShadowRoutes(app: FastifyInstance, { pauseShadow, hasShadow, audit }: ShadowRoutesDeps): void {
  for (const action of ['pause', 'resume'] as const)
    app.post<{ Params: { model: string; shadow: string } }>(
      `/api/models/:model/shadows/:shadow/${action}`,
      async (request, reply) => {
        const { by, reason } = bodyOf(EDIT, request);
        const { model, shadow } = request.params;
        const ordered = await pauseShadow(model, shadow, action === 'pause').catch((cause: unknown) => {
          throw new SluiceError('STORE_UNAVAILABLE', `the shadow is ${action}d, but ${NOT_ON_DISK}`, { cause });
        });
        if (ordered === undefined) throw new SluiceError('UNKNOWN_SHADOW', `${model}/${shadow}`);
        await record(audit, { event: `shadow ${action}d`, model, shadow, by, reason });
        const reach = ordered.shared ? {} : { warning: SHADOW_HERE_ONLY };
        return reply
          .code(ordered.shared ? 200 : 202)
          .send({ model, shadow, isPaused: action === 'pause', shared: ordered.shared, ...reach });
      },
    );
  app.post<{ Params: { model: string; shadow: string } }>(
    '/api/models/:model/shadows/:shadow/noise',
    async (request) => {
      const { by, reason, field, isNoise } = bodyOf(MARK, request);
      const { model, shadow } = request.params;
      if (!hasShadow(model, shadow)) throw new SluiceError('UNKNOWN_SHADOW', `${model}/${shadow}`);
      const event = isNoise ? MARKED : UNMARKED;
      await record(audit, { event, model, shadow, field, by, reason });
      return { model, shadow, field, isNoise };
    },
  );
}

/** Puts an act on record. Throws SluiceError when the disk does not take it; it is in effect all the same. */
async function record(audit: AuditTrail, act: Readonly<Record<string, unknown>>): Promise<void> {
  await audit.append({ id: randomUUID(), at: Date.now(), ...act }).catch((cause: unknown) => {
    throw new SluiceError('STORE_UNAVAILABLE', `it is in effect, but ${NOT_ON_DISK}`, { cause });
  });
}
