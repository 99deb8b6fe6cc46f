// What the rollouts mean for requests, worked out when a state changes and not per request.
import type { Block, Choice, Rollout, ServedModel, Version } from '../policy/policy.ts';
import { baselineOf, type Ledger } from './ledger.ts';
import { type RolloutState, stepOf } from './state.ts';

const NO_ONE: Block = { from: 0, to: 0 };

/** Where a rollout's candidate is live: `pending` and `rolled_back` nowhere, and `promoted` everywhere, as the baseline. */
export type Live =
  | { readonly is: 'pending' | 'rolled_back' | 'promoted' }
  | { readonly is: 'live'; readonly step: number; readonly block: Block };

/** Where one rollout is; one that is not in the ledger has not started. */
export function liveOf(ledger: Ledger, rollout: Rollout): Live {
  const state = ledger[rollout.id];
  if (state === undefined || state.phase.name === 'pending') return { is: 'pending' };
  if (state.phase.name === 'rolled_back' || state.phase.name === 'promoted') return { is: state.phase.name };
  const step = stepOf(state, rollout.steps.length);
  return { is: 'live', step, block: rollout.blocks[step] ?? NO_ONE };
}

/**
 * A model as it is served now: the same shape as in the policy, so that a decision costs what it costs without rollouts.
 * Blocks are the live ones, the baseline is the effective one, and the versions that are out of service stand beside.
 */
export function inService(
  model: ServedModel,
  ledger: Ledger,
): { model: ServedModel; outOfService: ReadonlySet<string> } {
  const outOfService = outOf(model, ledger);
  const baseline = model.versions.get(baselineOf(ledger, model)) ?? model.baseline;
  const rollouts = model.rollouts.map((rollout): Rollout => ({ ...rollout, live: blockOf(ledger, rollout, baseline) }));
  const end = Math.max(0, ...rollouts.map(({ live }) => live.to));
  return {
    outOfService,
    model: {
      ...model,
      rollouts,
      sorting: model.sorting && { ...model.sorting, end },
      baseline,
      baselineChoice: baseline === model.baseline ? model.baselineChoice : promotedChoice(model, baseline, ledger),
    },
  };
}

function blockOf(ledger: Ledger, rollout: Rollout, baseline: Version): Block {
  const live = liveOf(ledger, rollout);
  return live.is === 'live' && rollout.candidate !== baseline ? live.block : NO_ONE;
}

function promotedChoice({ name, baselineChoice }: ServedModel, { label }: Version, ledger: Ledger): Choice {
  const by = Object.values(ledger).find(
    ({ model, candidate, phase }) => model === name && candidate === label && phase.name === 'promoted',
  );
  return { ...baselineChoice, version: label, why: `baseline, promoted by rollout ${by?.id}` };
}

/** Versions that a rollout took out and that neither a newer rollout nor the policy itself has brought back. */
function outOf(model: ServedModel, ledger: Ledger): ReadonlySet<string> {
  const states = Object.values(ledger).filter((state) => state.model === model.name);
  const isBack = (label: string) =>
    label === model.baseline.label ||
    model.rollouts.some((each) => each.candidate.label === label && isServing(ledger[each.id]));
  return new Set(
    states.flatMap(({ candidate, phase }) => (phase.name === 'rolled_back' && !isBack(candidate) ? [candidate] : [])),
  );
}

function isServing(state: RolloutState | undefined): boolean {
  return state !== undefined && state.phase.name !== 'rolled_back' && state.phase.name !== 'pending';
}
