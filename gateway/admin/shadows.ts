// Orders to shadows: no more copies, and copies again, at every gateway and until the next order.
import { randomUUID } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { SluiceError } from '../errors.ts';
import type { AuditTrail } from '../observe/store/store.ts';
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

/** Adds `POST /api/models/{model}/shadows/{shadow}/{pause|resume|noise}`. */
export function addShadowRoutes(app: FastifyInstance, { pauseShadow, hasShadow, audit }: ShadowRoutesDeps): void {
  for (const action of ['pause', 'resume'] as const)
    app.post<{ Params: { model: string; shadow: string } }>(
      `/api/models/:model/shadows/:shadow/${action}`,
      async (request) => {
        const { by, reason } = bodyOf(EDIT, request);
        const { model, shadow } = request.params;
        const ordered = await pauseShadow(model, shadow, action === 'pause').catch((cause: unknown) => {
          throw new SluiceError('STORE_UNAVAILABLE', `${action}d here, but not on disk: a restart forgets it`, {
            cause,
          });
        });
        if (ordered === undefined) throw new SluiceError('UNKNOWN_SHADOW', `${model}/${shadow}`);
        await audit.append({ id: randomUUID(), at: Date.now(), event: `shadow ${action}d`, model, shadow, by, reason });
        return { model, shadow, isPaused: action === 'pause', shared: ordered.shared };
      },
    );
  app.post<{ Params: { model: string; shadow: string } }>(
    '/api/models/:model/shadows/:shadow/noise',
    async (request) => {
      const { by, reason, field, isNoise } = bodyOf(MARK, request);
      const { model, shadow } = request.params;
      if (!hasShadow(model, shadow)) throw new SluiceError('UNKNOWN_SHADOW', `${model}/${shadow}`);
      const event = isNoise ? MARKED : UNMARKED;
      await audit.append({ id: randomUUID(), at: Date.now(), event, model, shadow, field, by, reason });
      return { model, shadow, field, isNoise };
    },
  );
}
