// The admin listener's routes. What a request must pass is in gate.ts: probes and metrics are open, as kubelet and Prometheus
// expect; the rest wants the token.
import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../observe/metrics.ts';
import { addCalibrationRoutes, type CalibrationRoutesDeps } from './calibration.ts';
import { addComparisonRoutes, type ComparisonRoutesDeps } from './comparisons.ts';
import { addConsole } from './console.ts';
import { addExperimentRoutes, type ExperimentRoutesDeps } from './experiments.ts';
import { addGate } from './gate.ts';
import { addPace } from './pace.ts';
import { addRolloutRoutes, type RolloutRoutesDeps } from './rollouts.ts';
import { addShadowRoutes, type ShadowRoutesDeps } from './shadows.ts';

/** What a caller with an unknown path is told to try. */
export const ADMIN_PATHS =
  'there are /console/, /api/status, /api/audit, /api/alerts, /api/calibration, /api/comparisons, /api/experiments, /api/models/{model}/rollout/{action}, ' +
  '/api/models/{model}/shadows/{shadow}/{pause|resume|noise}, /fleet/{server}/..., /metrics, /livez and /readyz';

export type AdminDeps = RolloutRoutesDeps &
  ComparisonRoutesDeps &
  ExperimentRoutesDeps &
  CalibrationRoutesDeps &
  ShadowRoutesDeps & {
    readonly token: string | undefined;
    readonly metrics: Metrics;
    readonly status: () => unknown;
    readonly isDraining: () => boolean;
  };

/** Adds every route of the admin listener. */
export function addAdminRoutes(app: FastifyInstance, deps: AdminDeps): void {
  addGate(app, deps.token);
  addPace(app);
  addRolloutRoutes(app, deps);
  addShadowRoutes(app, deps);
  addComparisonRoutes(app, deps);
  addExperimentRoutes(app, deps);
  addCalibrationRoutes(app, deps);
  addConsole(app);
  const probe = { config: { open: 'probe' } } as const;
  app.get('/livez', probe, () => ({ live: true }));
  app.get('/readyz', probe, (_request, reply) =>
    reply.code(deps.isDraining() ? 503 : 200).send({ ready: !deps.isDraining() }),
  );
  app.get('/metrics', { config: { open: 'metrics' } }, async (_request, reply) =>
    reply.header('content-type', deps.metrics.contentType).send(await deps.metrics.exposition()),
  );
  app.get('/api/status', () => deps.status());
}
