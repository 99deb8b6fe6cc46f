// How a policy crosses from the loading thread: piece by piece, because unpacking 10,000 models at once would stop the
// serving thread for a tenth of a second.
import { isOnTrial, type Model, type Policy, type Rollout, type ServedModel, type TieredModel } from '../policy.ts';
import { endSharing, shared } from '../shared.ts';

/** Models a piece: about half a millisecond of the serving thread. */
const MODELS_A_PIECE = 50;

/** Ladders travel with the names of their models, for the models themselves come in other pieces. */
type PackedLadder = Omit<TieredModel, 'ladder'> & { readonly ladder: ReadonlyMap<string, string> };

/** All but the models and the lists of some of them. */
type Rest = Omit<Policy, 'models' | 'onTrial' | 'ladders'>;

export type Piece =
  | { readonly kind: 'models'; readonly models: readonly ServedModel[] }
  | { readonly kind: 'last'; readonly rest: Rest; readonly ladders: readonly PackedLadder[] };

/** A policy in pieces, the last one marked. */
export function* pack({ models, onTrial: _, ladders: unpacked, ...rest }: Policy): Generator<Piece, void> {
  const served = [...models.values()].filter((model) => model.kind === 'served');
  const ladders = unpacked.map(
    (model): PackedLadder => ({
      ...model,
      ladder: new Map([...model.ladder].map(([tier, { name }]) => [tier, name])),
    }),
  );
  for (let i = 0; i < served.length; i += MODELS_A_PIECE)
    yield { kind: 'models', models: served.slice(i, i + MODELS_A_PIECE) };
  yield { kind: 'last', rest, ladders };
}

/** Puts pieces together again, in the order in which they were packed. */
export class Unpacker {
  readonly #models = new Map<string, Model>();
  readonly #onTrial: ServedModel[] = [];

  /** Takes a piece; the last one makes the policy. */
  take(piece: Piece): Policy | undefined {
    if (piece.kind === 'models') {
      for (const packed of piece.models) {
        const model = laidOut(packed);
        this.#models.set(model.name, model);
        if (isOnTrial(model)) this.#onTrial.push(model);
      }
      return undefined;
    }
    const ladders = piece.ladders.map((ladder): TieredModel => ({ ...ladder, ladder: this.#link(ladder) }));
    for (const ladder of ladders) this.#models.set(ladder.name, ladder);
    endSharing();
    return { ...piece.rest, models: this.#models, onTrial: this.#onTrial, ladders };
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
 * stands first, so that with thousands of models a request touches little memory. What models of one piece share is made
 * anew for each piece, and so is shared again.
 */
function laidOut(model: ServedModel): ServedModel {
  const rollouts = model.rollouts.map(laidOutRollout);
  return {
    kind: 'served',
    name: model.name,
    sorting: model.sorting && shared(model.sorting),
    sortingPrefix: model.sortingPrefix,
    end: model.end,
    rollout: rollouts[0],
    stamp: model.stamp,
    experiment: model.experiment,
    baselineLabel: model.baselineLabel,
    baselineWhy: model.baselineWhy,
    sortingSalt: model.sortingSalt,
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
    live: shared(rollout.live),
    id: rollout.id,
    label: rollout.label,
    why: rollout.why,
    candidate: rollout.candidate,
    buckets: rollout.buckets,
    steps: rollout.steps,
    blocks: rollout.blocks,
    guards: rollout.guards,
    warmUp: rollout.warmUp,
    minRequests: rollout.minRequests,
    maxDurationMs: rollout.maxDurationMs,
    maxDisagreement: rollout.maxDisagreement,
    guardTimeMs: rollout.guardTimeMs,
  };
}
