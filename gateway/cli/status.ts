import type { ShadowStatus, statusOf } from '../admin/status.ts';
import type { RolloutStanding } from '../judge/told.ts';
import { ADMIN_OPTIONS, adminClient } from './admin-client.ts';
import { shareText } from './amounts.ts';
import type { Command } from './command.ts';
import { table } from './table.ts';

const OPTIONS = { json: { kind: 'flag', help: 'everything, as JSON' }, ...ADMIN_OPTIONS } as const;

type Status = ReturnType<typeof statusOf>;

/** `sluice status`: what a running gateway serves, and how far its rollouts are. */
export const statusCommand: Command<typeof OPTIONS> = {
  usage: 'sluice status [options]',
  about:
    'Tells which versions a running gateway serves, where each rollout stands, and the evidence for and against it.',
  options: OPTIONS,
  async run({ json, admin }) {
    const status = (await adminClient(admin, process.env).get('/api/status')) as Status;
    console.log(json ? JSON.stringify(status) : statusText(status));
  },
};

function statusText({ version, policy, store, models, refusals, isAutomatic }: Status): string {
  const trouble = [
    ...(policy.mistake === undefined ? [] : [`the policy file is bad, the last good one decides: ${policy.mistake}`]),
    ...(store.up ? [] : [`the store is away: ${store.reason}`]),
    ...(isAutomatic ? [] : ['the kill switch is thrown: rollouts move by hand only']),
    ...refusals.map(({ sentence }) => sentence),
  ];
  return [
    `Sluice ${version}, policy ${policy.file} since ${policy.since}`,
    ...trouble.map((line) => `! ${line}`),
    ...Object.entries(models).map(([name, model]) => `\n${modelText(name, model)}`),
  ].join('\n');
}

function modelText(name: string, model: Status['models'][string]): string {
  if ('tiers' in model) return `${name}: tiers ${Object.keys(model.tiers).join(' -> ')}`;
  const rollouts = model.rollouts.flatMap(({ standing, withheld }) => [
    ...(standing === undefined ? [] : [rolloutText(standing)]),
    ...(withheld === undefined ? [] : [`  withheld: ${withheld}`]),
  ]);
  return [`${name}: baseline ${model.baseline}`, ...rollouts, ...model.shadows.map(shadowText)].join('\n');
}

function shadowText({ name, target, sample, isPaused, counts }: ShadowStatus): string {
  const lost = counts.offered - counts.sent - counts.waiting;
  const state = isPaused ? 'paused' : `${shareText(sample)} of the requests`;
  const unanswered = counts.failed + counts.timed_out;
  const whole = `${counts.offered} copies: ${counts.answered} answered, ${unanswered} not, ${lost} dropped`;
  const why = Object.entries(counts.dropped).flatMap(([reason, count]) => (count === 0 ? [] : [`${reason} ${count}`]));
  return `  shadow ${name} (${target}), ${state}, ${whole}${why.length === 0 ? '' : ` (${why.join(', ')})`}`;
}

function rolloutText(standing: RolloutStanding): string {
  const { id, candidate, phase, steps, share, requests, minRequests, bakedMs, bakeMs, verdict, guards } = standing;
  const seconds = (ms: number) => `${Math.round(ms / 1000)} s`;
  const time = bakeMs === undefined ? seconds(bakedMs) : `${seconds(bakedMs)} of ${seconds(bakeMs)}`;
  const rows = guards.map(({ guard, is, evidence, needed }) => [
    guard,
    is,
    `${evidence.toPrecision(2)} of ${needed.toPrecision(2)}`,
  ]);
  return [
    `  rollout ${id}: ${candidate} at ${shareText(share)}, ${phase} of ${steps}, ${requests} of ${minRequests} requests, ${time}`,
    ...(standing.rolledBack === undefined ? [] : [`  ${standing.rolledBack.at}  ${standing.rolledBack.sentence}`]),
    ...(verdict === undefined ? [] : [`  ${verdict.kind}: ${verdict.sentence}`]),
    ...(rows.length === 0 ? [] : [table([['guard', '', 'evidence'], ...rows])]),
  ].join('\n');
}
