import type { Decision, Exposure, Facts, Sorted } from '../flow.ts';
import type { Experiment, Model, ServedModel, TieredModel, Version } from '../policy/policy.ts';
import { unitOf } from './bucket.ts';
import { canary } from './canary.ts';
import { experiment } from './experiment.ts';
import { fits, seenBy } from './match.ts';
import { startTier } from './tiers.ts';
import { type Trace, View } from './view.ts';

/** Versions that may not receive callers of the baseline now, each with the reason. */
export type Withheld = ReadonlyMap<Version, string>;

/** Versions that no one may be led to by pin or arm, each with the reason: a rollout took them out. */
export type OutOfService = ReadonlyMap<Version, string>;

const NOTHING: ReadonlyMap<Version, string> = new Map();

/** What keeps callers away from versions now. */
type Away = { readonly withheld: Withheld; readonly outOfService: OutOfService };

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
  withheld: Withheld = NOTHING,
  outOfService: OutOfService = NOTHING,
): Decision {
  const view = new View(facts);
  const away = { withheld, outOfService };
  const decision =
    model.kind === 'tiers'
      ? decideTier(model, view, random, trace, away)
      : decideServed(model, view, random, trace, away);
  return view.missed === undefined ? decision : { ...decision, missed: view.missed };
}

function decideTier(model: TieredModel, view: View, random: number, trace: Trace | undefined, away: Away): Decision {
  const { pin, call } = view.facts;
  if (pin !== undefined)
    return refuse('unknown_version', `model ${model.name} is a ladder of tiers and has no versions of its own`);
  // A look at the ladder shows the tier of the rule that always holds.
  const { tier, rule } = takesPart(call)
    ? startTier(model, view, trace)
    : { tier: model.rules.at(-1)?.use ?? '', rule: model.rules.length };
  const served = model.ladder.get(tier);
  if (served === undefined) throw new Error(`tier ${tier} passed the check but is not on the ladder`);
  const decision = decideServed(served, view, random, trace, away);
  if (decision.kind === 'refuse') return decision;
  const why = `${rule === 0 ? 'no signal' : `rule ${rule}`}: tier ${tier}; ${decision.why}`;
  return { ...decision, tier, why };
}

function decideServed(model: ServedModel, view: View, random: number, trace: Trace | undefined, away: Away): Decision {
  const { pin, call } = view.facts;
  if (pin !== undefined) return decidePin(model, pin, view, away, trace);
  // A model's description is its baseline's: it must not change from one look to the next.
  if (!takesPart(call)) return serve(model, model.baselineLabel, model.baselineWhy);
  if (model.experiment !== undefined) {
    const arm = experiment(model.experiment, view, random, trace);
    if (arm === 'no_unit') return refuse('no_unit', `experiment ${model.experiment.id}`);
    if (arm === 'holdout')
      return {
        ...serve(model, model.baselineLabel, `holdout of ${model.experiment.id}`),
        exposed: exposureOf(model.experiment, HOLDOUT, view),
      };
    if (arm !== 'none') {
      const { label } = arm.version;
      const reason = arm.isSuspended ? 'its rollout is suspended' : reasonAgainst(arm.version, away);
      // A baseline in the place of an arm shows nothing of the arm.
      if (reason !== undefined) return serveInstead(model, label, arm.why, reason, trace);
      return { ...serve(model, label, arm.why), exposed: exposureOf(model.experiment, label, view) };
    }
  }
  const placed = canary(model, view, random, trace);
  if (placed === 'no_unit') return refuse('no_unit', `rollout ${model.rollouts[0]?.id}`);
  const { rollout, unit, unitId } = placed === 'none' ? NOT_SORTED : placed;
  if (rollout !== undefined) {
    const { label, why, id } = rollout;
    const reason = reasonAgainst(rollout.candidate, away);
    if (reason !== undefined) return serveInstead(model, label, why, reason, trace);
    return sortedBy(model, label, why, { rollout: id, unit, unitId, view: model.stamp });
  }
  trace?.('baseline', `version ${model.baselineLabel}`);
  const { baselineLabel, baselineWhy } = model;
  return placed === 'none'
    ? serve(model, baselineLabel, baselineWhy)
    : sortedBy(model, baselineLabel, baselineWhy, { rollout: undefined, unit, unitId, view: model.stamp });
}

function sortedBy({ name }: ServedModel, version: string, why: string, sorted: Sorted): Decision {
  return { kind: 'serve', model: name, version, why, sorted };
}

const HOLDOUT = 'holdout';

function exposureOf({ id, buckets }: Experiment, arm: string, view: View): Exposure {
  return { experiment: id, arm, unit: unitOf(buckets, view) };
}

const NOT_SORTED = { rollout: undefined, unit: undefined, unitId: undefined };

function reasonAgainst(version: Version, { withheld, outOfService }: Away): string | undefined {
  if (outOfService.size === 0 && withheld.size === 0) return undefined;
  return outOfService.get(version) ?? withheld.get(version);
}

/** The baseline in the place of a version that is withheld. */
function serveInstead(
  model: ServedModel,
  label: string,
  why: string,
  reason: string,
  trace: Trace | undefined,
): Decision {
  trace?.('withheld', `version ${label}: ${reason}`);
  return serve(model, model.baselineLabel, `${why} is withheld: ${reason}`);
}

function decidePin(model: ServedModel, pin: string, view: View, { outOfService }: Away, trace?: Trace): Decision {
  const version = model.pinnable.get(pin);
  trace?.(
    'pin',
    `"${pin}" is ${version === undefined ? 'no version' : `version ${version.label}`}; pins: ${pinsText(model)}`,
  );
  if (version === undefined) return refuse('unknown_version', `model ${model.name} has no such version`);
  if (!mayPin(model, view)) return refuse('pin_not_allowed', `model ${model.name}`);
  const reason = outOfService.get(version);
  if (reason !== undefined) return refuse('out_of_service', `${version.label} of ${model.name} ${reason}`);
  return serve(model, version.label, 'pin');
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

function serve(model: ServedModel, version: string, why: string): Extract<Decision, { kind: 'serve' }> {
  return { kind: 'serve', model: model.name, version, why };
}

function refuse(refusal: Extract<Decision, { kind: 'refuse' }>['refusal'], why: string): Decision {
  return { kind: 'refuse', refusal, why };
}
