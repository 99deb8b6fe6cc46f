// What the admin listener tells of experiments: units, errors and latency by arm, and whether units fell as the policy says.
import type { FastifyInstance } from 'fastify';
import type { Block, Experiment, Model } from '../policy/policy.ts';
import { type ExperimentSummary, summariseExperiment } from '../store/experiment-summary.ts';
import type { Store } from '../store/store.ts';
import { storeError } from './store-error.ts';

export type ExperimentRoutesDeps = {
  /** As they are served now. */
  readonly models: () => ReadonlyMap<string, Model>;
  readonly store: Pick<Store, 'experiments'>;
};

/** An experiment of the policy, and how it does. */
export type ExperimentReport = { readonly id: string; readonly model: string } & ExperimentSummary;

/** Adds `GET /api/experiments`. */
export function addExperimentRoutes(app: FastifyInstance, { models, store }: ExperimentRoutesDeps): void {
  app.get('/api/experiments', async (_request, reply) => {
    const reports: ExperimentReport[] = [];
    for (const model of models().values()) {
      if (model.kind !== 'served' || model.experiment === undefined) continue;
      const { id } = model.experiment;
      const reading = await store.experiments.read(id).catch(storeError);
      reports.push({ id, model: model.name, ...summariseExperiment(reading, sharesOf(model.experiment)) });
    }
    return reply.send({ experiments: reports });
  });
}

/** Parts of all units that each arm is to see: the arms share what is not held out. */
function sharesOf({ arms, holdout }: Experiment): ReadonlyMap<string, number> {
  const held = sizeOf(holdout.live) / 1_000_000;
  const shares = arms.map(({ version, live }) => [version.label, sizeOf(live) * (1 - held)] as const);
  return new Map(held === 0 ? shares : [...shares, ['holdout', held * 1_000_000] as const]);
}

function sizeOf({ from, to }: Block): number {
  return to - from;
}
