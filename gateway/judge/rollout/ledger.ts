// All rollouts that were ever seen, by id. Ledgers of several gateways, of a file and of a store are merged: a join, so
// it makes no difference who merges what, when and how often.
import type { Rollout, ServedModel } from '../../policy/policy.ts';
import { earlier } from './order.ts';
import { isPromoted, newRollout, type RolloutState, servedPhaseOf } from './state.ts';

export type Ledger = ReadonlyMap<string, RolloutState>;

/** A rollout of a policy that may not start, and why. */
export type Refusal = { readonly id: string; readonly sentence: string };

export function ledgerOf(states: readonly RolloutState[]): Ledger {
  return new Map(states.map((state) => [state.id, state]));
}

/** What two ledgers know together. A rollback is never undone; else the higher epoch is right. */
export function merge(a: Ledger, b: Ledger): Ledger {
  const merged = new Map(a);
  for (const [id, state] of b) {
    const own = merged.get(id);
    merged.set(id, own === undefined || isAhead(state, own) ? state : own);
  }
  return new Map([...merged].sort(([one], [other]) => (one < other ? -1 : 1)));
}

/** The ids that never come back. */
export function rolledBackIds(ledger: Ledger): string[] {
  return [...ledger.values()].flatMap(({ id, phase }) => (phase.name === 'rolled_back' ? [id] : []));
}

/** The ledger with ids that a store knows to be rolled back, also those of which it has nothing else. */
export function latch(ledger: Ledger, ids: readonly string[], at: string): Ledger {
  const rolledBack = ids.map((id): RolloutState => {
    const sentence = 'rolled back, as the store has it';
    const rollback = { at, by: { kind: 'judge' }, guard: undefined, sentence, readings: [], examples: [] } as const;
    return { ...(ledger.get(id) ?? newRollout(id, '', '', '')), phase: { name: 'rolled_back', rollback } };
  });
  return merge(ledger, ledgerOf(rolledBack));
}

/** The states of each model's rollouts. */
export function byModel(ledger: Ledger): ReadonlyMap<string, readonly RolloutState[]> {
  const states = new Map<string, RolloutState[]>();
  for (const state of ledger.values()) {
    const own = states.get(state.model);
    if (own === undefined) states.set(state.model, [state]);
    else own.push(state);
  }
  return states;
}

/**
 * The ledger under a policy: its new rollouts are pending, and a promotion has done its work once the policy names the
 * promoted version. What may not start is refused: an id that belongs to another candidate, and a new rollout beside a
 * baseline that was replaced.
 */
export function enrol(
  ledger: Ledger,
  models: readonly ServedModel[],
): { readonly ledger: Ledger; readonly refusals: readonly Refusal[] } {
  const named = new Set([...ledger.values()].map(({ model }) => model));
  const baselines = new Map(
    models.filter(({ name }) => named.has(name)).map(({ name, baseline }) => [name, baseline.label]),
  );
  const enrolled = new Map([...ledger].map(([id, state]) => [id, whenNamed(state, baselines.get(state.model))]));
  const states = byModel(enrolled);
  const refusals: Refusal[] = [];
  for (const model of models) {
    for (const rollout of model.rollouts) {
      const { id, candidate } = rollout;
      const known = enrolled.get(id);
      const sentence = refusalOf(known, states.get(model.name) ?? [], model, rollout);
      if (sentence !== undefined) refusals.push({ id, sentence });
      else if (known === undefined || isNameless(known))
        enrolled.set(id, {
          ...newRollout(id, model.name, candidate.label, model.baseline.label, rollout.buckets.salt),
          ...phaseOf(known),
        });
      // Before the first step no one was drawn yet, so the salt is what the policy says.
      else if (known.phase.name === 'pending' && known.salt !== rollout.buckets.salt)
        enrolled.set(id, { ...known, salt: rollout.buckets.salt });
    }
  }
  return { ledger: enrolled, refusals };
}

/** The version that answers for a model's baseline, by the states of its rollouts: the policy's, or what was promoted since. */
export function baselineOf(states: readonly RolloutState[], model: ServedModel): string {
  // A promotion that is suspended has given its callers back.
  return promotedOver(
    states.filter(({ phase }) => phase.name === 'promoted'),
    model,
  );
}

function promotedOver(states: readonly RolloutState[], { baseline, versions }: ServedModel): string {
  const promoted = states.filter((state) => {
    const phase = servedPhaseOf(state);
    return phase?.name === 'promoted' && !phase.isNamed && versions.has(state.candidate);
  });
  let label = baseline.label;
  // One promotion after the other; each is taken once, so it ends.
  for (let next = takeFrom(promoted, label); next !== undefined; next = takeFrom(promoted, label))
    label = next.candidate;
  return label;
}

function takeFrom(promoted: RolloutState[], baseline: string): RolloutState | undefined {
  const at = promoted.findIndex((state) => state.baseline === baseline);
  return at < 0 ? undefined : promoted.splice(at, 1)[0];
}

function refusalOf(
  known: RolloutState | undefined,
  states: readonly RolloutState[],
  model: ServedModel,
  { id, candidate }: Rollout,
): string | undefined {
  if (known !== undefined && !isNameless(known) && (known.model !== model.name || known.candidate !== candidate.label))
    return `rollout id ${id} belongs to ${known.candidate} of ${known.model} permanently; take a new id`;
  const effective = promotedOver(states.filter(isPromoted), model);
  if (known === undefined && effective !== model.baseline.label)
    return `${effective} was promoted in place of ${model.baseline.label}; name it the baseline of ${model.name} before rollout ${id}`;
  return undefined;
}

/** Whether nothing is known of a rollout but that its id is rolled back. */
function isNameless({ model }: RolloutState): boolean {
  return model === '';
}

function phaseOf(known: RolloutState | undefined): Partial<RolloutState> {
  return known === undefined ? {} : { phase: known.phase, epoch: known.epoch };
}

function whenNamed(state: RolloutState, baseline: string | undefined): RolloutState {
  // What the policy names is the baseline, also while the promotion is suspended.
  const phase = servedPhaseOf(state);
  if (phase?.name !== 'promoted' || phase.isNamed || baseline !== state.candidate) return state;
  return { ...state, epoch: state.epoch + 1, phase: { ...phase, isNamed: true } };
}

/** A total order, so the foremost of any number of states is one and the same. */
export function isAhead(a: RolloutState, b: RolloutState): boolean {
  if (a.phase.name === 'rolled_back' && b.phase.name === 'rolled_back') {
    const [mine, other] = [a.phase.rollback, b.phase.rollback];
    if (JSON.stringify(mine) !== JSON.stringify(other)) return earlier(mine, other) === mine;
  } else if (a.phase.name === 'rolled_back' || b.phase.name === 'rolled_back') return a.phase.name === 'rolled_back';
  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
  if (a.totalMs !== b.totalMs) return a.totalMs > b.totalMs;
  return JSON.stringify(a) > JSON.stringify(b);
}
