import { decide } from '../decide/decide.ts';
import { startTier } from '../decide/tiers.ts';
import { View } from '../decide/view.ts';
import { GATEWAY_OPTIONS } from '../env.ts';
import { type ErrorCode, SluiceError, UserError } from '../errors.ts';
import type { Decision, Facts, Refusal } from '../flow.ts';
import { loadPolicy } from '../policy/load.ts';
import type { Model, Policy, ServedModel } from '../policy/policy.ts';
import { didYouMean } from '../policy/suggest.ts';
import { type Caller, callersOf } from './callers.ts';
import { type Chance, chancesOf } from './chances.ts';
import type { Command } from './command.ts';
import { explanationText } from './explain-text.ts';
import { type DescribedRequest, requestFrom } from './request-arguments.ts';

const OPTIONS = {
  url: {
    kind: 'positional',
    default: '',
    after: 'curl',
    help: 'a URL of the gateway, a path such as /v2/models/digits/infer, or a model',
  },
  policy: GATEWAY_OPTIONS.policy,
  header: { kind: 'list', short: 'H', help: 'a header, "name: value"' },
  data: { kind: 'list', short: 'd', help: 'the body; @FILE reads it from a file, @- from standard input' },
  'data-binary': { kind: 'list', help: 'the same, with the line breaks of a file left in' },
  'data-raw': { kind: 'list', help: 'the same, with no meaning of "@"' },
  request: { kind: 'string', short: 'X', default: '', help: 'the method, when it is not the one of the path' },
  file: { kind: 'string', default: '', help: 'the request as JSON in place of a URL: {"path", "headers", "body"}' },
  random: { kind: 'fraction', help: 'the draw for a request that chance decides; drawn anew when left out' },
  json: { kind: 'flag', help: 'print JSON for programs' },
  silent: { kind: 'ignored', short: 's' },
  include: { kind: 'ignored', short: 'i' },
  verbose: { kind: 'ignored', short: 'v' },
  'show-error': { kind: 'ignored', short: 'S' },
  fail: { kind: 'ignored', short: 'f' },
  insecure: { kind: 'ignored', short: 'k' },
  location: { kind: 'ignored', short: 'L' },
  compressed: { kind: 'ignored' },
  output: { kind: 'ignored', short: 'o', takesValue: true },
  'write-out': { kind: 'ignored', short: 'w', takesValue: true },
  'max-time': { kind: 'ignored', short: 'm', takesValue: true },
} as const;

/** `sluice explain`: one request's decision, and every step on the way to it. */
export const explainCommand: Command<typeof OPTIONS> = {
  usage: 'sluice explain [options]',
  about:
    'Tells which version one request gets and why, without sending it. The request is described as to curl: paste a curl\nline behind `sluice explain`.',
  options: OPTIONS,
  async run(values) {
    const policy = loadPolicy(values.policy);
    const explanation = explain(policy, requestFrom(values), values.random);
    if (values.json) console.log(JSON.stringify(jsonOf(policy, explanation), null, 2));
    else console.log(explanationText(policy, explanation));
  },
};

export type Explanation = {
  readonly request: DescribedRequest;
  readonly callers: readonly Caller[];
  /** What was looked at, in order. */
  readonly steps: readonly { readonly what: string; readonly result: string }[];
  readonly decision: Decision;
  /** The answer of the gateway when it refuses. */
  readonly answer: { readonly status: number; readonly error: string } | undefined;
  /** Every outcome when chance decides, and then the number that was drawn; else empty. */
  readonly chances: readonly Chance[];
  readonly random: number;
};

/** Explains a request. Throws UserError for a model that the policy does not have. */
export function explain(policy: Policy, request: DescribedRequest, drawn: number | undefined): Explanation {
  const { facts } = request;
  const model = modelOf(policy, facts.model);
  const random = drawn ?? Math.random();
  const steps: { what: string; result: string }[] = [];
  const decision = decide(model, facts, random, (what, result) => steps.push({ what, result }));
  const served = servedOf(model, facts);
  const chances = served === undefined ? [] : chancesOf(served, facts);
  return {
    request,
    callers: served === undefined || !isSorted(facts) ? [] : callersOf(served, new View(facts)),
    steps,
    decision,
    answer: decision.kind === 'refuse' ? answerOf(decision.refusal, decision.why) : undefined,
    chances: chances.length > 1 ? chances : [],
    random,
  };
}

function modelOf({ models }: Policy, name: string): Model {
  const model = models.get(name);
  if (model !== undefined) return model;
  const names = [...models.keys()];
  const listed = names.slice(0, 20).join(', ') + (names.length > 20 ? `, and ${names.length - 20} more` : '');
  const guess = didYouMean(name, names);
  throw new UserError(
    `no model "${name}", the gateway answers 404${guess}${guess ? '' : ';'} the policy has ${listed}`,
  );
}

/** The model with versions that answers; none for a request that a ladder turns away. */
function servedOf(model: Model, facts: Facts): ServedModel | undefined {
  if (model.kind === 'served') return model;
  return facts.pin === undefined ? model.ladder.get(startTier(model, new View(facts)).tier) : undefined;
}

/** Whether experiments and rollouts are asked at all: a pin or a look at the model passes them by. */
function isSorted({ pin, call }: Facts): boolean {
  return pin === undefined && (call === 'infer' || call === 'predict');
}

function answerOf(refusal: Refusal, why: string): { status: number; error: string } {
  const code: ErrorCode = refusal.toUpperCase() as Uppercase<Refusal>;
  const { status, message } = new SluiceError(code, why);
  return { status, error: message };
}

function jsonOf(policy: Policy, explanation: Explanation): Record<string, unknown> {
  const { request, callers, steps, decision, answer, chances, random } = explanation;
  const { method, path, model, call } = request.target;
  const byChance = chances.length === 0 ? {} : { random, chances };
  return {
    request: { method, path, model, call },
    callers,
    steps,
    decision,
    answer,
    ...byChance,
    warnings: policy.unbuilt,
  };
}
