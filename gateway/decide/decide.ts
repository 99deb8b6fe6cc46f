import type { Decision, Facts } from '../flow.ts';
import type { Choice, Model, ServedModel, TieredModel, Version } from '../policy/policy.ts';
import { canary } from './canary.ts';
import { experiment } from './experiment.ts';
import { fits, seenBy } from './match.ts';
import { startTier } from './tiers.ts';
import { type Trace, View } from './view.ts';

/** Versions that may not receive callers of the baseline now, each with the reason. */
export type Withheld = ReadonlyMap<Version, string>;

const NOTHING_WITHHELD: Withheld = new Map();

/**
 * Which version answers a request to a model. Pure: `random` in [0, 1) is drawn by the caller.
 * The order is always the same: an allowed pin, the tier's rule, the experiment's arm, the rollout's step, the baseline.
 * The baseline answers in the place of a version that is withheld.
 */
export function decide(
  model: Model,
  facts: Facts,
  random: number,
  trace?: Trace,
  withheld: Withheld = NOTHING_WITHHELD,
): Decision {
  const view = new View(facts);
  return model.kind === 'tiers'
    ? decideTier(model, view, random, trace, withheld)
    : decideServed(model, view, random, trace, withheld);
}

function decideTier(
  model: TieredModel,
  view: View,
  random: number,
  trace: Trace | undefined,
  withheld: Withheld,
): Decision {
  const { pin, call } = view.facts;
  if (pin !== undefined)
    return refuse('unknown_version', `model ${model.name} is a ladder of tiers and has no versions of its own`);
  // A look at the ladder shows the tier of the rule that always holds.
  const { tier, rule } = takesPart(call)
    ? startTier(model, view, trace)
    : { tier: model.rules.at(-1)?.use ?? '', rule: model.rules.length };
  const served = model.ladder.get(tier);
  if (served === undefined) throw new Error(`tier ${tier} passed the check but is not on the ladder`);
  const decision = decideServed(served, view, random, trace, withheld);
  if (decision.kind === 'refuse') return decision;
  const why = `${rule === 0 ? 'no signal' : `rule ${rule}`}: tier ${tier}; ${decision.why}`;
  return { ...decision, tier, why };
}

function decideServed(
  model: ServedModel,
  view: View,
  random: number,
  trace: Trace | undefined,
  withheld: Withheld,
): Decision {
  const { pin, call } = view.facts;
  if (pin !== undefined) return decidePin(model, pin, view, trace);
  // A model's description is its baseline's: it must not change from one look to the next.
  if (!takesPart(call)) return model.baselineChoice;
  if (model.experiment !== undefined) {
    const arm = experiment(model.experiment, view, random, trace);
    if (arm === 'no_unit') return refuse('no_unit', `experiment ${model.experiment.id}`);
    if (arm === 'holdout') return serve(model, model.baseline.label, `holdout of ${model.experiment.id}`);
    if (arm !== 'none') return unlessWithheld(model, arm.version, arm.choice, withheld, trace);
  }
  const rollout = canary(model, view, random, trace);
  if (rollout === 'no_unit') return refuse('no_unit', `rollout ${model.rollouts[0]?.id}`);
  if (rollout !== 'none') return unlessWithheld(model, rollout.candidate, rollout.choice, withheld, trace);
  trace?.('baseline', `version ${model.baseline.label}`);
  return model.baselineChoice;
}

function unlessWithheld(
  model: ServedModel,
  version: Version,
  choice: Choice,
  withheld: Withheld,
  trace: Trace | undefined,
): Decision {
  const reason = withheld.get(version);
  if (reason === undefined) return choice;
  trace?.('withheld', `version ${version.label}: ${reason}`);
  return serve(model, model.baseline.label, `${choice.why} is withheld: ${reason}`);
}

function decidePin(model: ServedModel, pin: string, view: View, trace?: Trace): Decision {
  const version = model.pinnable.get(pin);
  trace?.(
    'pin',
    `"${pin}" is ${version === undefined ? 'no version' : `version ${version.label}`}; pins: ${pinsText(model)}`,
  );
  if (version === undefined) return refuse('unknown_version', `model ${model.name} has no such version`);
  return mayPin(model, view) ? serve(model, version.label, 'pin') : refuse('pin_not_allowed', `model ${model.name}`);
}

function mayPin({ pins }: ServedModel, view: View): boolean {
  if (typeof pins === 'string') return pins === 'any';
  return pins.every((condition) => condition.on !== 'complexity' && fits(condition.match, seenBy(condition, view)));
}

function pinsText({ pins }: ServedModel): string {
  return typeof pins === 'string' ? pins : 'by header';
}

/** Whether a call is a prediction, and so part of rollouts and experiments. */
function takesPart(call: Facts['call']): boolean {
  return call !== 'metadata' && call !== 'ready';
}

function serve(model: ServedModel, version: string, why: string): Decision {
  return { kind: 'serve', model: model.name, version, why };
}

function refuse(refusal: Extract<Decision, { kind: 'refuse' }>['refusal'], why: string): Decision {
  return { kind: 'refuse', refusal, why };
}
