// How a policy crosses from the loading thread: piece by piece, because unpacking 10,000 models at once would stop the
// serving thread for a tenth of a second.
import type { Model, Policy, Rollout, ServedModel, TieredModel } from './policy.ts';

/** Models a piece: about a millisecond of the serving thread. */
const MODELS_A_PIECE = 100;

/** Ladders travel with the names of their models, for the models themselves come in other pieces. */
type PackedLadder = Omit<TieredModel, 'ladder'> & { readonly ladder: ReadonlyMap<string, string> };

export type Piece =
  | { readonly kind: 'models'; readonly models: readonly ServedModel[] }
  | { readonly kind: 'last'; readonly rest: Omit<Policy, 'models'>; readonly ladders: readonly PackedLadder[] };

/** A policy in pieces, the last one marked. */
export function* pack({ models, ...rest }: Policy): Generator<Piece, void> {
  const served: ServedModel[] = [];
  const ladders: PackedLadder[] = [];
  for (const model of models.values()) {
    if (model.kind === 'served') served.push(model);
    else ladders.push({ ...model, ladder: new Map([...model.ladder].map(([tier, { name }]) => [tier, name])) });
  }
  for (let i = 0; i < served.length; i += MODELS_A_PIECE)
    yield { kind: 'models', models: served.slice(i, i + MODELS_A_PIECE) };
  yield { kind: 'last', rest, ladders };
}

/** Puts pieces together again, in the order in which they were packed. */
export class Unpacker {
  readonly #models = new Map<string, Model>();

  /** Takes a piece; the last one makes the policy. */
  take(piece: Piece): Policy | undefined {
    if (piece.kind === 'models') {
      for (const model of piece.models) this.#models.set(model.name, laidOut(model));
      return undefined;
    }
    for (const ladder of piece.ladders) this.#models.set(ladder.name, { ...ladder, ladder: this.#link(ladder) });
    return { ...piece.rest, models: this.#models };
  }

  #link({ name, ladder }: PackedLadder): ReadonlyMap<string, ServedModel> {
    return new Map(
      [...ladder].map(([tier, target]) => {
        const model = this.#models.get(target);
        if (model?.kind !== 'served') throw new Error(`ladder ${name} leads to ${target}, which did not come along`);
        return [tier, model];
      }),
    );
  }
}

/**
 * The model again, field by field: an object that came from another thread is slow to read, and what every decision reads
 * stands first, so that with thousands of models a request touches little memory.
 */
function laidOut(model: ServedModel): ServedModel {
  const rollouts = model.rollouts.map(laidOutRollout);
  return {
    kind: 'served',
    name: model.name,
    sorting: model.sorting,
    end: model.end,
    rollout: rollouts[0],
    experiment: model.experiment,
    baselineLabel: model.baselineLabel,
    baselineWhy: model.baselineWhy,
    rollouts,
    shadows: model.shadows,
    timeoutMs: model.timeoutMs,
    versions: model.versions,
    pinnable: model.pinnable,
    pins: model.pins,
    baseline: model.baseline,
  };
}

function laidOutRollout(rollout: Rollout): Rollout {
  return {
    live: rollout.live,
    id: rollout.id,
    label: rollout.label,
    why: rollout.why,
    candidate: rollout.candidate,
    buckets: rollout.buckets,
    steps: rollout.steps,
    blocks: rollout.blocks,
    guards: rollout.guards,
    minRequests: rollout.minRequests,
    maxDurationMs: rollout.maxDurationMs,
    maxDisagreement: rollout.maxDisagreement,
    guardTimeMs: rollout.guardTimeMs,
  };
}
