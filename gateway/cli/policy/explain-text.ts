import type { Decision } from '../../flow.ts';
import type { Policy, Version } from '../../policy/policy.ts';
import { countedText, shareText } from '../text/amounts.ts';
import { table } from '../text/table.ts';
import type { Caller } from './callers.ts';
import type { Explanation } from './explanation.ts';

/** An explanation for people. */
export function explanationText(policy: Policy, explanation: Explanation): string {
  const { steps, chances, random } = explanation;
  return [
    table(requestRows(explanation)),
    ...(steps.length > 0 ? [`looked at, in this order\n${stepsText(steps)}`] : []),
    ...(chances.length > 0 ? [`depends on chance; drawn here: --random ${random}\n${chancesText(explanation)}`] : []),
    table(decisionRows(policy, explanation)),
  ].join('\n\n');
}

function requestRows({ request, callers }: Explanation): string[][] {
  const { target, facts } = request;
  const pin = facts.pin === undefined ? [] : [['pin', facts.pin]];
  const body = facts.body.length === 0 ? [] : [['body', countedText(facts.body.length, 'byte')]];
  const who = callers.map((caller) => ['caller', callerText(caller)]);
  return [['request', `${target.method} ${target.path}`], ['model', facts.model], ...pin, ...body, ...who];
}

function callerText({ unit, value, without, why }: Caller): string {
  if (unit === 'random') return 'none: the policy draws each request anew';
  if (without === undefined) return `${unit}: ${value}`;
  return `has no ${unit}${why === undefined ? '' : ` (${why})`}; without_unit: ${without}`;
}

function stepsText(steps: Explanation['steps']): string {
  return table(steps.map(({ what, result }, i) => [`${i + 1}`, what, result]));
}

function chancesText({ chances }: Explanation): string {
  return table(
    chances.map(({ probability, decision }) => [shareText(probability), outcomeText(decision), decision.why]),
  );
}

function outcomeText(decision: Decision): string {
  return decision.kind === 'serve' ? `version ${decision.version}` : `refused, ${decision.refusal}`;
}

function decisionRows(policy: Policy, { decision, answer }: Explanation): string[][] {
  if (decision.kind === 'refuse')
    return [
      ['decision', `refused with ${answer?.status} (${decision.refusal})`],
      ['why', answer?.error ?? ''],
    ];
  const { model, version, tier, why } = decision;
  return [
    ['decision', `version ${version} of model ${model}`],
    ...(tier === undefined ? [] : [['tier', tier]]),
    ['why', why],
    ...(answer === undefined ? [] : [['but', `the gateway answers ${answer.status}: ${answer.error}`]]),
    ...(answer !== undefined ? [] : upstreamRows(versionOf(policy, model, version))),
  ];
}

function versionOf(policy: Policy, name: string, label: string): Version | undefined {
  const model = policy.models.get(name);
  return model?.kind === 'served' ? model.versions.get(label) : undefined;
}

function upstreamRows(version: Version | undefined): string[][] {
  return version === undefined ? [] : [['sent to', version.servers.join(', ')]];
}
