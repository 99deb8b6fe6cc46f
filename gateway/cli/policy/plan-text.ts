import { countedText, durationText, shareText } from '../text/amounts.ts';
import { table } from '../text/table.ts';
import { guardsText } from './guards-text.ts';
import type { ExperimentPlan, LadderPlan, Plan, RolloutPlan, ShadowPlan, StepPlan } from './plan.ts';
import { untilText } from './policy-text.ts';

/** The plan for people: a paragraph for each part; empty when the policy has none of them. */
export function planText(plan: Plan): string {
  return [
    ...plan.rollouts.map(rolloutText),
    ...(plan.rollouts.length > 0 ? [rollbackText(plan)] : []),
    ...(plan.shadows.length > 0 ? [shadowsText(plan.shadows)] : []),
    ...plan.experiments.map(experimentText),
    ...plan.ladders.map(ladderText),
  ].join('\n\n');
}

function rolloutText(rollout: RolloutPlan): string {
  const { id, model, baseline, candidate, unit, from, steps } = rollout;
  const block = from > 0 ? `, its callers start at ${shareText(from)}` : '';
  const title = `rollout ${id} of ${model}: ${baseline} -> ${candidate}, sorted by ${unit}${block}`;
  const rows = steps.map((step, i) => [
    String(i + 1),
    shareText(step.share),
    untilText(step.until) || 'stays',
    startText(step),
  ]);
  const steps_ = steps.length > 1 ? `${table([['step', 'share', 'how long', 'starts'], ...rows])}\n` : '';
  return `${title}\n${steps_}  ${endText(steps)}\n${guardsText(rollout)}`;
}

/** When the last step is reached at the earliest, and what follows. */
export function endText(steps: readonly StepPlan[]): string {
  const last = steps.at(-1);
  if (last === undefined) return '';
  const share = shareText(last.share);
  if (last.until === 'held')
    return steps.length === 1 ? `stays at ${share}` : `${share} ${startText(last)}, and stays there`;
  return `${share} ${startText(last)}, ${untilText(last.until)}`;
}

function startText({ after_ms, approvals }: StepPlan): string {
  const approved = approvals > 0 ? `plus ${countedText(approvals, 'approval')}` : '';
  if (after_ms === 0) return approvals > 0 ? `after ${countedText(approvals, 'approval')}` : 'at once';
  return `after ${durationText(after_ms)} at the earliest${approved && `, ${approved}`}`;
}

function rollbackText({ rollback }: Plan): string {
  const byEdit = `at most ${rollback.by_edit_ms} ms after the file has changed, on every gateway that has the file; written in place without a last line \`end: true\`, 1 to 5 s more`;
  return `to take a candidate out of service takes\n${table([
    ['by an edit of the policy', byEdit],
    ['by a guard', automaticText(rollback)],
  ])}`;
}

function automaticText({ automatic_within_ms: within }: Plan['rollback']): string {
  if (within === null) return 'never: no rollout here has guards (the key `rollback`)';
  return `at once on the gateway that sees it, at most ${durationText(within)} later on those that share its Redis`;
}

function shadowsText(shadows: readonly ShadowPlan[]): string {
  const rows = shadows.map(({ model, to, extra }) => [model, `+${shareText(extra)} requests to ${to}`]);
  return `extra load by shadows\n${table(rows)}`;
}

function experimentText({ id, model, unit, holdout, arms, rest }: ExperimentPlan): string {
  const held = holdout > 0 ? `, ${shareText(holdout)} of callers held out of it` : '';
  const rows = [
    ...arms.map(({ version, share, up_to }) => [
      version,
      shareText(share),
      up_to > share ? `may grow to ${shareText(up_to)}` : '',
    ]),
    ['the rest', shareText(rest), 'as if there were no experiment'],
  ];
  return `experiment ${id} of ${model}, sorted by ${unit}${held}\n${table([['arm', 'share', ''], ...rows])}`;
}

function ladderText({ model, tiers, rules, no_signal }: LadderPlan): string {
  const rungs = tiers.map(({ tier, model: target }) => `${tier} (${target})`).join(' -> ');
  const silent = no_signal === undefined ? '' : `; without a signal of complexity: ${no_signal}`;
  return `ladder ${model}\n  ${rungs}\n  ${countedText(rules, 'rule')}${silent}`;
}
