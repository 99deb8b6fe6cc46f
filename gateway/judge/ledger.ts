// All rollouts that were ever seen, by id. Ledgers of several gateways, of a file and of a store are merged: a join, so
// it makes no difference who merges what, when and how often.
import type { Rollout, ServedModel } from '../policy/policy.ts';
import { earlier } from './order.ts';
import { newRollout, type RolloutState } from './state.ts';

export type Ledger = Readonly<Record<string, RolloutState>>;

/** A rollout of a policy that may not start, and why. */
export type Refusal = { readonly id: string; readonly sentence: string };

/** What two ledgers know together. A rollback is never undone; else the higher epoch is right. */
export function merge(a: Ledger, b: Ledger): Ledger {
  const ids = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return Object.fromEntries(ids.flatMap((id) => joined(a[id], b[id])).map((state) => [state.id, state]));
}

/** Ids of rolled-back rollouts that a store knows of: those of which nothing else is known are kept as rolled back. */
export function latch(ledger: Ledger, ids: readonly string[], at: string): Ledger {
  const rolledBack = ids.map((id): RolloutState => {
    const rollback = {
      at,
      by: { kind: 'judge' },
      guard: undefined,
      sentence: 'rolled back, says the store',
      readings: [],
      examples: [],
    } as const;
    return { ...(ledger[id] ?? newRollout(id, '', '', '')), phase: { name: 'rolled_back', rollback } };
  });
  return merge(ledger, Object.fromEntries(rolledBack.map((state) => [state.id, state])));
}

/** The ids that never come back. */
export function rolledBackIds(ledger: Ledger): string[] {
  return Object.values(ledger).flatMap(({ id, phase }) => (phase.name === 'rolled_back' ? [id] : []));
}

/**
 * The ledger under a policy: its new rollouts are pending, and a promotion has done its work once the policy names the
 * promoted version. What may not start is refused: an id that belongs to another candidate, and a new rollout beside a
 * baseline that was replaced.
 */
export function enrol(
  ledger: Ledger,
  models: readonly ServedModel[],
): { ledger: Ledger; refusals: readonly Refusal[] } {
  const named = Object.fromEntries(Object.entries(ledger).map(([id, state]) => [id, whenNamed(state, models)]));
  const fresh: Record<string, RolloutState> = {};
  const refusals: Refusal[] = [];
  for (const model of models) {
    for (const rollout of model.rollouts) {
      const sentence = refusalOf(named, model, rollout);
      if (sentence !== undefined) refusals.push({ id: rollout.id, sentence });
      else if (isNameless(named[rollout.id]))
        fresh[rollout.id] = {
          ...newRollout(rollout.id, model.name, rollout.candidate.label, model.baseline.label),
          phase: named[rollout.id]?.phase ?? { name: 'pending' },
        };
    }
  }
  return { ledger: { ...named, ...fresh }, refusals };
}

/** The version that answers for a model's baseline: the policy's, or what was promoted in its place since. */
export function baselineOf(ledger: Ledger, { name, baseline, versions }: ServedModel): string {
  const promoted = Object.values(ledger).filter(
    ({ model, phase, candidate }) =>
      model === name && phase.name === 'promoted' && !phase.isNamed && versions.has(candidate),
  );
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

function refusalOf(ledger: Ledger, model: ServedModel, { id, candidate }: Rollout): string | undefined {
  const known = ledger[id];
  if (known !== undefined && !isNameless(known) && (known.model !== model.name || known.candidate !== candidate.label))
    return `rollout id ${id} belongs to ${known.candidate} of ${known.model} for ever; take a new id`;
  const effective = baselineOf(ledger, model);
  if (known === undefined && effective !== model.baseline.label)
    return `${effective} was promoted in place of ${model.baseline.label}; name it the baseline of ${model.name} before rollout ${id}`;
  return undefined;
}

/** Whether nothing is known of a rollout, or only that its id is rolled back. */
function isNameless(state: RolloutState | undefined): boolean {
  return state === undefined || state.model === '';
}

function whenNamed(state: RolloutState, models: readonly ServedModel[]): RolloutState {
  const { phase } = state;
  const baseline = models.find(({ name }) => name === state.model)?.baseline.label;
  if (phase.name !== 'promoted' || phase.isNamed || baseline !== state.candidate) return state;
  return { ...state, epoch: state.epoch + 1, phase: { ...phase, isNamed: true } };
}

function joined(a: RolloutState | undefined, b: RolloutState | undefined): RolloutState[] {
  if (a === undefined || b === undefined) return [a, b].filter((state) => state !== undefined);
  return [isAhead(a, b) ? a : b];
}

/** A total order, so the greater of any number of states is one and the same. */
function isAhead(a: RolloutState, b: RolloutState): boolean {
  if (a.phase.name === 'rolled_back' && b.phase.name === 'rolled_back' && a.phase.rollback !== b.phase.rollback) {
    const [first, second] = [JSON.stringify(a.phase.rollback), JSON.stringify(b.phase.rollback)];
    if (first !== second) return earlier(a.phase.rollback, b.phase.rollback) === a.phase.rollback;
  }
  if ((a.phase.name === 'rolled_back') !== (b.phase.name === 'rolled_back')) return a.phase.name === 'rolled_back';
  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
  if (a.totalMs !== b.totalMs) return a.totalMs > b.totalMs;
  return JSON.stringify(a) >= JSON.stringify(b);
}
