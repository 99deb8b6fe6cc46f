// From a request to the version that answers it: the decision, and what it means for a caller.
import { decide, type OutOfService, type Withheld } from '../decide/decide.ts';
import { type ErrorCode, SluiceError } from '../errors.ts';
import type { Answer, Decision, Facts, Missed, Refusal } from '../flow.ts';
import type { Model, Version } from '../policy/policy.ts';

/** A decision that some version answers. */
export type Served = Extract<Decision, { kind: 'serve' }>;

/** What was decided, and the version that it means. */
export type Chosen = { readonly decision: Served; readonly version: Version };

/** An answer, and the headers that tell the caller what was decided. */
export type Marked = { readonly answer: Answer; readonly marks: Readonly<Record<string, string>> };

export type ChoiceDeps = {
  /** As they are served now, by the states of their rollouts. */
  readonly models: ReadonlyMap<string, Model>;
  readonly withheld: Withheld;
  readonly outOfService: OutOfService;
  /** In [0, 1). */
  readonly random: () => number;
  /** Hears what the policy could not read of a request to this model. */
  readonly missed: (model: string, missed: Missed) => void;
};

const ERROR_OF: Record<Refusal, ErrorCode> = {
  unknown_version: 'UNKNOWN_VERSION',
  pin_not_allowed: 'PIN_NOT_ALLOWED',
  out_of_service: 'OUT_OF_SERVICE',
  no_unit: 'NO_UNIT',
};

/** A version that may answer, and why it is this one. Throws SluiceError when none may. */
export function choose(deps: ChoiceDeps, facts: Facts, model: Model): Chosen {
  const { models, withheld, outOfService, random, missed } = deps;
  const decision = decide(model, facts, random(), undefined, withheld, outOfService);
  // Once a request: a ladder asks for each tier it climbs to.
  if (decision.missed !== undefined && model.name === facts.model) missed(model.name, decision.missed);
  if (decision.kind === 'refuse') throw new SluiceError(ERROR_OF[decision.refusal], decision.why);
  const answering = models.get(decision.model);
  const version = answering?.kind === 'served' ? answering.versions.get(decision.version) : undefined;
  if (version === undefined) throw new SluiceError('INTERNAL');
  return { decision, version };
}

/** The headers that tell a caller what was decided. */
export function marksOf({ model, version, tier, why }: Served): Record<string, string> {
  const marks = { 'x-sluice-model': model, 'x-sluice-version': version, 'x-sluice-why': why };
  return tier === undefined ? marks : { ...marks, 'x-sluice-tier': tier };
}
