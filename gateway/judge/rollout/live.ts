// What the rollouts mean for requests, worked out when a state changes and not per request.
import type { Block, Experiment, Rollout, ServedModel, Version } from '../../policy/policy.ts';
import { withSalt } from '../../policy/salt.ts';
import { baselineOf } from './ledger.ts';
import { probeBlock, widenedBlock } from './probe.ts';
import { type RolloutState, servedPhaseOf, stepOf } from './state.ts';

const NO_VERSION: ReadonlySet<string> = new Set();
const NO_ONE: Block = { from: 0, to: 0 };
const EVERYONE: Block = { from: 0, to: 1_000_000 };

/** Where a candidate is: `pending`, `suspended` and `rolled_back` nowhere, `promoted` everywhere, as the baseline. */
export type Live =
  | { readonly is: 'pending' | 'suspended' | 'rolled_back' | 'promoted' }
  | { readonly is: 'live'; readonly step: number; readonly block: Block };

/** What decisions read of the rollouts of one model. */
export type RolloutView = {
  /** The model in the same shape as in the policy: its blocks are the live ones, its baseline is the effective one. */
  readonly model: ServedModel;
  /** Versions that neither pins nor arms nor tiers may lead to. */
  readonly outOfService: ReadonlySet<string>;
};

/** Where one rollout is; one without a state has not started. `others` are all rollouts of its model. */
export function liveOf(state: RolloutState | undefined, rollout: Rollout, others: readonly Rollout[]): Live {
  if (state === undefined) return { is: 'pending' };
  const { phase } = state;
  const step = stepOf(state, rollout.steps.length);
  switch (phase.name) {
    case 'pending':
    case 'suspended':
    case 'rolled_back':
    case 'promoted':
      return { is: phase.name };
    case 'probing': {
      const own = ownBlock(state, rollout, step);
      return {
        is: 'live',
        step,
        block: phase.isOwnBlock ? widenedBlock(own) : probeBlock(own, rollout, others, state.probes),
      };
    }
    default:
      return { is: 'live', step, block: rollout.blocks[step] ?? NO_ONE };
  }
}

/** The callers that a candidate had when it was suspended. */
export function ownBlock(state: RolloutState, { blocks }: Rollout, step: number): Block {
  return servedPhaseOf(state)?.name === 'promoted' ? EVERYONE : (blocks[step] ?? NO_ONE);
}

/**
 * A model as it is served now, by the states of its rollouts; `stamp` tells this view from earlier ones. A decision costs what
 * it costs without them.
 */
export function viewOf(model: ServedModel, states: readonly RolloutState[], stamp = 0): RolloutView {
  if (states.length === 0 && model.rollouts.length === 0) return { model, outOfService: NO_VERSION };
  const salted = withSalt(model, saltOf(model, states));
  const baseline = model.versions.get(baselineOf(states, model)) ?? model.baseline;
  const rollouts = salted.rollouts.map((rollout) => ({
    ...rollout,
    live: blockOf(states, rollout, baseline, model.rollouts),
  }));
  const end = Math.max(0, ...rollouts.map(({ live }) => live.to));
  const baselineWhy = baseline === model.baseline ? model.baselineWhy : promotedWhy(baseline, states);
  const served = {
    ...salted,
    stamp,
    rollout: rollouts[0],
    rollouts,
    end,
    experiment: model.experiment && withoutArms(model.experiment, suspendedIn(states)),
    baseline,
    baselineLabel: baseline.label,
    baselineWhy,
  };
  return { model: served, outOfService: outOf(model, states) };
}

/** Callers stay where they are: a rollout under way keeps the salt that it began with. */
function saltOf({ rollouts, sortingSalt }: ServedModel, states: readonly RolloutState[]): string {
  const isOwn = ({ id, candidate }: RolloutState) =>
    rollouts.some((rollout) => rollout.id === id && rollout.candidate.label === candidate);
  const underWay = states.find((state) => servedPhaseOf(state) !== undefined && isOwn(state));
  return underWay?.salt ?? sortingSalt;
}

/** Candidates whose callers are with the baseline for now. */
function suspendedIn(states: readonly RolloutState[]): ReadonlySet<string> {
  const away = states.filter(({ phase }) => phase.name === 'suspended' || phase.name === 'probing');
  return new Set(away.map(({ candidate }) => candidate));
}

/** An experiment in which the baseline answers in the place of suspended arms. */
function withoutArms(experiment: Experiment, suspended: ReadonlySet<string>): Experiment {
  if (!experiment.arms.some(({ version }) => suspended.has(version.label))) return experiment;
  const arms = experiment.arms.map((arm) => ({ ...arm, isSuspended: suspended.has(arm.version.label) }));
  return { ...experiment, arms };
}

function blockOf(
  states: readonly RolloutState[],
  rollout: Rollout,
  baseline: Version,
  others: readonly Rollout[],
): Block {
  const state = states.find(({ id }) => id === rollout.id);
  // An id that belongs to another candidate gives this one nothing.
  if (state?.candidate !== rollout.candidate.label || rollout.candidate === baseline) return NO_ONE;
  const live = liveOf(state, rollout, others);
  return live.is === 'live' ? live.block : NO_ONE;
}

function promotedWhy({ label }: Version, states: readonly RolloutState[]): string {
  const by = states.find(({ candidate, phase }) => candidate === label && phase.name === 'promoted');
  return `baseline, promoted by rollout ${by?.id}`;
}

/** Versions that a rollout took out and that neither another rollout nor the policy itself has brought back. */
function outOf(model: ServedModel, states: readonly RolloutState[]): ReadonlySet<string> {
  const brought = states.filter(
    ({ id, phase }) => servedPhaseOf({ phase }) !== undefined && model.rollouts.some((rollout) => rollout.id === id),
  );
  const back = new Set([model.baseline.label, ...brought.map(({ candidate }) => candidate)]);
  const left = states.filter(({ phase, candidate }) => phase.name === 'rolled_back' && !back.has(candidate));
  return new Set(left.map(({ candidate }) => candidate));
}
