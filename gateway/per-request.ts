// The conductor of one request: decide, forward, observe. It decides nothing itself.
import { decide, type OutOfService, type Withheld } from './decide/decide.ts';
import { type ErrorCode, SluiceError } from './errors.ts';
import type { Answer, Decision, Facts, OnLeave, Outcome, Refusal, Sorted } from './flow.ts';
import type { Fleet } from './forward/fleet.ts';
import { send } from './forward/send.ts';
import { type Streams, stream } from './forward/stream.ts';
import { pathOf } from './policy/paths.ts';
import type { Model, Version } from './policy/policy.ts';

type Served = Extract<Decision, { kind: 'serve' }>;

export type PerRequestDeps = {
  /** As they are served now, by the states of their rollouts. */
  readonly models: ReadonlyMap<string, Model>;
  readonly fleet: Fleet;
  readonly withheld: Withheld;
  readonly outOfService: OutOfService;
  readonly record: (outcome: Outcome) => void;
  /** Tells the judge of an answer that the rollouts' rule led to. */
  readonly count: (model: string, sorted: Sorted, id: string, answer: Answer) => void;
  /** Offers copies of an answered prediction to the model's shadows. */
  readonly copy: (facts: Facts, decision: Served, version: Version, answer: Answer) => void;
  /** In [0, 1). */
  readonly random: () => number;
};

const ERROR_OF: Record<Refusal, ErrorCode> = {
  unknown_version: 'UNKNOWN_VERSION',
  pin_not_allowed: 'PIN_NOT_ALLOWED',
  out_of_service: 'OUT_OF_SERVICE',
  no_unit: 'NO_UNIT',
};

/** An answer, and the headers that tell the caller what was decided. */
export type Marked = { readonly answer: Answer; readonly marks: Readonly<Record<string, string>> };

/** Answers one inference request. Throws SluiceError when no version may answer it. */
export async function perRequest(deps: PerRequestDeps, facts: Facts, onLeave: OnLeave): Promise<Marked> {
  const { decision, version } = choose(deps, facts);
  const path = facts.call === 'opaque' ? undefined : pathOf(version, facts.call);
  if (path === undefined) throw new SluiceError('UNKNOWN_PATH', hintFor(version));
  const answer = await send(deps.fleet.placementOf(version), path, facts, onLeave);
  // A look at the model is no prediction: it says nothing about how a version does.
  if (facts.call === 'infer' || facts.call === 'predict') {
    observe(deps, facts, decision, answer);
    deps.copy(facts, decision, version, answer);
  }
  return { answer, marks: marksOf(decision) };
}

/** Answers one request of protocol http, streamed. `path` is the server's. Throws SluiceError when no version may answer it. */
export async function perStream(
  deps: PerRequestDeps,
  facts: Facts,
  path: string,
  streams: Omit<Streams, 'marks'>,
  onLeave: OnLeave,
): Promise<Marked> {
  const { decision, version } = choose(deps, facts);
  const marks = marksOf(decision);
  const answer = await stream(deps.fleet.placementOf(version), path, facts, { ...streams, marks }, onLeave);
  observe(deps, facts, decision, answer);
  return { answer, marks };
}

function observe(deps: PerRequestDeps, facts: Facts, decision: Served, answer: Answer): void {
  deps.record(outcomeOf(facts, decision, answer));
  if (decision.sorted !== undefined) deps.count(decision.model, decision.sorted, facts.id, answer);
}

function choose(
  { models, withheld, outOfService, random }: PerRequestDeps,
  facts: Facts,
): { readonly decision: Served; readonly version: Version } {
  const model = models.get(facts.model);
  if (model === undefined) throw new SluiceError('UNKNOWN_MODEL', facts.model);
  const decision = decide(model, facts, random(), undefined, withheld, outOfService);
  if (decision.kind === 'refuse') throw new SluiceError(ERROR_OF[decision.refusal], decision.why);
  const answering = models.get(decision.model);
  const version = answering?.kind === 'served' ? answering.versions.get(decision.version) : undefined;
  if (version === undefined) throw new SluiceError('INTERNAL');
  return { decision, version };
}

/** Where a call can be made that a version's protocol does not have. */
export function hintFor({ model, protocol }: Version): string {
  return protocol === 'http'
    ? `model ${model} has protocol http and is reached below its prefix`
    : `model ${model} speaks v1 alone: POST /v1/models/${model}:predict`;
}

function outcomeOf(facts: Facts, { model, version, why }: Served, answer: Answer): Outcome {
  const { server, serverClass, status, class: outcome, firstClass, attempts, fault, latencyMs } = answer;
  return {
    id: facts.id,
    model,
    version,
    why,
    server,
    serverClass,
    status,
    class: outcome,
    firstClass,
    attempts,
    fault,
    latencyMs,
  };
}

function marksOf({ model, version, tier, why }: Served): Record<string, string> {
  const marks = { 'x-sluice-model': model, 'x-sluice-version': version, 'x-sluice-why': why };
  return tier === undefined ? marks : { ...marks, 'x-sluice-tier': tier };
}
