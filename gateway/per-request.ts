// The conductor of one request: decide, forward, observe. It decides nothing itself.
import { decide } from './decide/decide.ts';
import { type ErrorCode, SluiceError } from './errors.ts';
import type { Answer, Decision, Facts, OnLeave, Outcome, Refusal } from './flow.ts';
import type { Fleet } from './forward/fleet.ts';
import { send } from './forward/send.ts';
import { classify } from './observe/outcome.ts';
import type { Policy } from './policy/policy.ts';

export type PerRequestDeps = {
  readonly policy: Policy;
  readonly fleet: Fleet;
  readonly record: (outcome: Outcome) => void;
  /** In [0, 1). */
  readonly random: () => number;
};

const ERROR_OF: Record<Refusal, ErrorCode> = {
  unknown_version: 'UNKNOWN_VERSION',
  pin_not_allowed: 'PIN_NOT_ALLOWED',
  no_unit: 'NO_UNIT',
};

type Served = Extract<Decision, { kind: 'serve' }>;

/** An answer, and the headers that tell the caller what was decided. */
export type Marked = { readonly answer: Answer; readonly marks: Readonly<Record<string, string>> };

/** Answers one request. Throws SluiceError when no version may answer it. */
export async function perRequest(deps: PerRequestDeps, facts: Facts, onLeave: OnLeave): Promise<Marked> {
  const model = deps.policy.models.get(facts.model);
  if (model === undefined) throw new SluiceError('UNKNOWN_MODEL', facts.model);
  const decision = decide(model, facts, deps.random());
  if (decision.kind === 'refuse') throw new SluiceError(ERROR_OF[decision.refusal], decision.why);
  const answering = deps.policy.models.get(decision.model);
  const version = answering?.kind === 'served' ? answering.versions.get(decision.version) : undefined;
  if (version === undefined) throw new SluiceError('INTERNAL');
  const answer = await send(deps.fleet, version, facts, onLeave);
  // A look at the model is no prediction: it says nothing about how a version does.
  if (facts.call === 'infer' || facts.call === 'predict') deps.record(outcomeOf(facts, decision, answer));
  return { answer, marks: marksOf(decision) };
}

function outcomeOf(facts: Facts, { model, version, why }: Served, answer: Answer): Outcome {
  const { server, status, fault, latencyMs } = answer;
  return { id: facts.id, model, version, why, server, status, class: classify(answer), fault, latencyMs };
}

function marksOf({ model, version, tier, why }: Served): Record<string, string> {
  const marks = { 'x-sluice-model': model, 'x-sluice-version': version, 'x-sluice-why': why };
  return tier === undefined ? marks : { ...marks, 'x-sluice-tier': tier };
}
