import { hintFor } from '../../conduct/per-request.ts';
import { decide } from '../../decide/decide.ts';
import { startTier } from '../../decide/tiers.ts';
import { View } from '../../decide/view.ts';
import { type ErrorCode, SluiceError, UserError } from '../../errors.ts';
import type { Decision, Facts, Refusal } from '../../flow.ts';
import { loadPolicy } from '../../policy/load/load.ts';
import { pathOf } from '../../policy/paths.ts';
import type { Model, Policy, ServedModel, Version } from '../../policy/policy.ts';
import { didYouMean } from '../../policy/suggest.ts';
import { GATEWAY_OPTIONS } from '../../settings.ts';
import type { Command } from '../command.ts';
import { callersOf } from './callers.ts';
import { chancesOf } from './chances.ts';
import { explanationText } from './explain-text.ts';
import type { Explanation } from './explanation.ts';
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
  'user-agent': { kind: 'string', short: 'A', default: '', help: 'the header of that name' },
  cookie: { kind: 'string', short: 'b', default: '', help: 'the header of that name' },
  user: { kind: 'string', short: 'u', default: '', help: 'name:password for the header authorization' },
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
  'connect-timeout': { kind: 'ignored', takesValue: true },
  retry: { kind: 'ignored', takesValue: true },
  cacert: { kind: 'ignored', takesValue: true },
  cert: { kind: 'ignored', short: 'E', takesValue: true },
  key: { kind: 'ignored', takesValue: true },
  proxy: { kind: 'ignored', short: 'x', takesValue: true },
  resolve: { kind: 'ignored', takesValue: true },
  'no-buffer': { kind: 'ignored', short: 'N' },
  'progress-bar': { kind: 'ignored', short: '#' },
  'no-progress-meter': { kind: 'ignored' },
  'http1.1': { kind: 'ignored' },
  http2: { kind: 'ignored' },
  ipv4: { kind: 'ignored', short: '4' },
  ipv6: { kind: 'ignored', short: '6' },
} as const;

/** `sluice explain`: one request's decision, and every step on the way to it. */
export const explainCommand: Command<typeof OPTIONS> = {
  usage: 'sluice explain [options]',
  about:
    'Tells which version one request gets and why, without sending it. The request is described as to curl: paste a curl\nline behind `sluice explain`.',
  options: OPTIONS,
  async run(values) {
    const policy = loadPolicy(values.policy);
    const explanation = explain(policy, requestFrom(values, policy.prefixes), values.random);
    if (values.json) console.log(JSON.stringify(jsonOf(explanation), null, 2));
    else console.log(explanationText(policy, explanation));
  },
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
    answer: answerOf(policy, decision, facts),
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

/** The gateway's own answer: to a request that is refused, and to one that the version's protocol has no path for. */
function answerOf({ models }: Policy, decision: Decision, { call }: Facts): Explanation['answer'] {
  if (decision.kind === 'refuse') return told(decision.refusal.toUpperCase() as Uppercase<Refusal>, decision.why);
  const model = models.get(decision.model);
  const version = model?.kind === 'served' ? model.versions.get(decision.version) : undefined;
  if (version === undefined || isReached(version, call)) return undefined;
  return told('UNKNOWN_PATH', hintFor(version));
}

/** Whether a version takes this kind of call: below the prefix of protocol http every path is one. */
function isReached(version: Version, call: Facts['call']): boolean {
  return call === 'opaque' ? version.protocol === 'http' : pathOf(version, call) !== undefined;
}

function told(code: ErrorCode, why: string): Explanation['answer'] {
  const { status, message } = new SluiceError(code, why);
  return { status, error: message };
}

function jsonOf(explanation: Explanation): Record<string, unknown> {
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
  };
}
