// The conductor of one request: decide, forward, observe. It decides nothing itself.
import { SluiceError } from '../errors.ts';
import type { Answer, Exposure, Facts, OnLeave, Outcome, Sorted } from '../flow.ts';
import type { Fleet } from '../forward/fleet/fleet.ts';
import type { SendOptions, send } from '../forward/send.ts';
import type { stream } from '../forward/stream.ts';
import type { Streams } from '../forward/streamed.ts';
import { pathOf } from '../policy/paths.ts';
import type { Model, Version } from '../policy/policy.ts';
import { type ChoiceDeps, type Chosen, choose, type Marked, marksOf, type Served } from './choose.ts';
import type { Tiering } from './ladders.ts';
import { perTier } from './per-tier.ts';
import type { Shadows } from './shadows.ts';

export type PerRequestDeps = ChoiceDeps & {
  readonly fleet: Pick<Fleet, 'placementOf'>;
  /** Sends a request to one of a version's servers. */
  readonly send: typeof send;
  readonly stream: typeof stream;
  readonly record: (outcome: Outcome) => void;
  /** Tells the judge of an answer that the rollouts' rule led to. */
  readonly count: (model: string, sorted: Sorted, facts: Facts, answer: Answer) => void;
  /** Remembers which arm of an experiment a request saw, and how it fared. */
  readonly expose: (exposure: Exposure, answer: Answer) => void;
  /** The model's shadows: what keeps a streamed request for them, and the offer of copies once it is answered. */
  readonly shadows: Pick<Shadows, 'tapFor' | 'answered'>;
  /** Hears of predictions that were answered: candidates that are soon to have callers get copies. */
  readonly warmUp: { readonly answered: (facts: Facts, version: Version, answer: Answer) => void };
  /** What the ladders of tiers have spent, and how they do. */
  readonly tiering: Tiering;
  /** The SHA-256 of a version's model file, as far as it is known. */
  readonly digestOf: (version: Version) => string | undefined;
};

/** Answers one inference request. Throws SluiceError when no version may answer it. */
export async function perRequest(deps: PerRequestDeps, facts: Facts, onLeave: OnLeave): Promise<Marked> {
  const model = modelOf(deps, facts.model);
  const chosen = choose(deps, facts, model);
  if (model.kind === 'tiers' && isPrediction(facts))
    return perTier(
      { ...deps, ladder: model, ask: (of, options) => ask(deps, facts, of, onLeave, options) },
      facts,
      chosen,
    );
  return { answer: await ask(deps, facts, chosen, onLeave), marks: marksOf(chosen.decision) };
}

/** Sends a prediction, or a look at a model, to the version that was chosen. */
async function ask(
  deps: PerRequestDeps,
  facts: Facts,
  { decision, version }: Chosen,
  onLeave: OnLeave,
  options?: SendOptions,
): Promise<Answer> {
  const path = facts.call === 'opaque' ? undefined : pathOf(version, facts.call);
  if (path === undefined) throw new SluiceError('UNKNOWN_PATH', hintFor(version));
  const answer = await deps.send(deps.fleet.placementOf(version), path, facts, onLeave, options);
  // A look at the model is no prediction: it says nothing about how a version does.
  if (isPrediction(facts)) {
    observe(deps, facts, decision, answer);
    deps.shadows.answered(facts, decision, version, answer);
    deps.warmUp.answered(facts, version, answer);
  }
  return answer;
}

function isPrediction({ call }: Facts): boolean {
  return call === 'infer' || call === 'predict';
}

/** Answers one request of protocol http, streamed. `path` is the server's. Throws SluiceError when no version may answer it. */
export async function perStream(
  deps: PerRequestDeps,
  facts: Facts,
  path: string,
  streams: Omit<Streams, 'marks' | 'tap'>,
  onLeave: OnLeave,
): Promise<Marked> {
  const { decision, version } = choose(deps, facts, modelOf(deps, facts.model));
  const marks = marksOf(decision);
  const { method } = streams.request;
  const tap = deps.shadows.tapFor(facts, decision, version, method);
  const answer = await deps.stream(deps.fleet.placementOf(version), path, facts, { ...streams, marks, tap }, onLeave);
  observe(deps, facts, decision, answer);
  if (tap !== undefined)
    deps.shadows.answered(facts, decision, version, answer, { method: method as 'GET' | 'POST', path, tap });
  return { answer, marks };
}

function observe(deps: PerRequestDeps, facts: Facts, decision: Served, answer: Answer): void {
  deps.record(outcomeOf(facts, decision, answer));
  if (decision.exposed !== undefined) deps.expose(decision.exposed, answer);
  if (decision.sorted !== undefined) deps.count(decision.model, decision.sorted, facts, answer);
}

function modelOf({ models }: PerRequestDeps, name: string): Model {
  const model = models.get(name);
  if (model === undefined) throw new SluiceError('UNKNOWN_MODEL', name);
  return model;
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
