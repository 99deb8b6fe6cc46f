// How a rollout stands, as anyone sees who asks the admin API.
import type { RolloutStanding } from '../../gateway/judge/rollout/told.ts';

/** The standing of a model's first rollout; undefined where the model or the rollout is not known yet. */
export async function standingOf(adminUrl = '', model = 'm'): Promise<RolloutStanding | undefined> {
  const status = (await (await fetch(`${adminUrl}/api/status`)).json()) as {
    models: Record<string, { rollouts: { standing?: RolloutStanding }[] }>;
  };
  return status.models[model]?.rollouts[0]?.standing;
}
