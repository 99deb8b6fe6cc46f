import type { statusOf } from '../../admin/status.ts';
import { CALIBRATION_IGNORED } from '../../conduct/ladder-standing.ts';
import type { RolloutStanding } from '../../judge/rollout/told.ts';
import type { LadderStanding, ShadowStanding } from '../../standings.ts';
import { damageText } from '../../store/damage.ts';
import type { Command } from '../command.ts';
import { shareText } from '../text/amounts.ts';
import { table } from '../text/table.ts';
import { ADMIN_OPTIONS, adminClient } from './admin-client.ts';

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

/** The status for people. */
export function statusText(status: Status): string {
  const { version, policy, store, models, refusals, held, pendingRollbacks, pendingSuspensions, damaged, isAutomatic } =
    status;
  const trouble = [
    ...(policy.mistake === undefined ? [] : [`the policy file is bad, the last good one decides: ${policy.mistake}`]),
    ...(policy.unsettled === undefined ? [] : [policy.unsettled]),
    ...[...store.troubles, ...store.losses].map((trouble) => `the store: ${trouble}`),
    ...(store.up || store.kind !== 'redis' ? [] : ['until the store works nothing advances; rollbacks go on']),
    ...damaged.map(damageText),
    ...(policy.uncopied === undefined ? [] : [`${policy.uncopied}; it is tried again every second`]),
    ...[...pendingRollbacks, ...pendingSuspensions].map(({ sentence }) => sentence),
    ...(isAutomatic ? [] : ['the kill switch is thrown: rollouts move by hand only']),
    ...refusals.map(({ sentence }) => sentence),
    ...held.map(({ id, sentence, next }) => `rollout ${id} is held on its baseline: ${sentence}; next: ${next}`),
  ];
  return [
    `Sluice ${version}, policy ${policy.file} since ${policy.since}`,
    ...trouble.map((line) => `! ${line}`),
    ...Object.entries(models).map(([name, model]) => `\n${modelText(name, model)}`),
  ].join('\n');
}

function modelText(name: string, model: Status['models'][string]): string {
  const missed = (model.missed?.sentences ?? []).map((sentence) => `  ${sentence}`);
  if ('tiers' in model) return [ladderText(name, Object.keys(model.tiers), model.escalation), ...missed].join('\n');
  const rollouts = model.rollouts.flatMap(({ standing, withheld }) => [
    ...(standing === undefined ? [] : [rolloutText(standing, model.rollouts.length > 1)]),
    ...(withheld === undefined ? [] : [`  withheld: ${withheld}`]),
  ]);
  const unready = Object.values(model.versions).flatMap((version) =>
    version.unready === undefined ? [] : [`  ! ${version.unready.sentence}`],
  );
  return [
    `${name}: baseline ${model.baseline}`,
    ...unready,
    ...rollouts,
    ...missed,
    ...model.shadows.map(shadowText),
  ].join('\n');
}

function ladderText(name: string, tiers: readonly string[], ladder: LadderStanding | undefined): string {
  const head = `${name}: tiers ${tiers.join(' -> ')}`;
  if (ladder === undefined) return head;
  const { requests, answers, escalations, degraded, wantedShare, isAlarmed, expectedShare, isDrifting, cost } = ladder;
  const counts = (of: Readonly<Record<string, number>>) =>
    Object.entries(of)
      .flatMap(([what, count]) => (count === 0 ? [] : [`${what} ${count}`]))
      .join(', ') || 'none';
  const saved =
    cost && cost.alwaysLast > 0 ? `, cost ${shareText(cost.spent / cost.alwaysLast)} of always the last` : '';
  return [
    head,
    `  ${requests} requests, answered by ${counts(answers)}${saved}`,
    `  passed on: ${counts(escalations)}; degraded: ${counts(degraded)}`,
    ...(isAlarmed
      ? [`  ! ${shareText(wantedShare)} of the last requests wanted to go up: a tier has lost its confidence`]
      : []),
    ...(isDrifting && expectedShare !== undefined
      ? [`  ! ${shareText(wantedShare)} wanted to go up, ${shareText(expectedShare)} were expected: tune again`]
      : []),
    ...groupLines(ladder),
    ...Object.entries(ladder.calibrations).map(([tier, standing]) =>
      standing === 'applied'
        ? `  calibration of ${tier} applied`
        : `  ! calibration of ${tier} ignored: ${CALIBRATION_IGNORED[standing]}`,
    ),
  ].join('\n');
}

function groupLines({ groups }: LadderStanding): string[] {
  const entries = Object.entries(groups).filter(([, { alwaysLast }]) => alwaysLast > 0);
  if (entries.length < 2) return [];
  return entries.map(
    ([group, { requests, spent, alwaysLast }]) =>
      `  callers ${group}: ${requests} requests, cost ${+spent.toFixed(2)}, ${shareText(spent / alwaysLast)} of always the last`,
  );
}

function shadowText({ name, target, sample, isPaused, counts }: ShadowStanding): string {
  const lost = counts.offered - counts.sent - counts.waiting;
  const state = isPaused ? 'paused' : `${shareText(sample)} of the requests`;
  const unanswered = counts.failed + counts.timed_out;
  const whole = `${counts.offered} copies: ${counts.answered} answered, ${unanswered} not, ${lost} dropped`;
  const why = Object.entries(counts.dropped).flatMap(([reason, count]) => (count === 0 ? [] : [`${reason} ${count}`]));
  return `  shadow ${name} (${target}), ${state}, ${whole}${why.length === 0 ? '' : ` (${why.join(', ')})`}`;
}

function rolloutText(standing: RolloutStanding, isOneOfMany: boolean): string {
  const { id, candidate, phase, steps, share, requests, minRequests, bakedMs, bakeMs, unjudged, suspended } = standing;
  const seconds = (ms: number) => `${Math.round(ms / 1000)} s`;
  const time = bakeMs === undefined ? seconds(bakedMs) : `${seconds(bakedMs)} of ${seconds(bakeMs)}`;
  const head = `  rollout ${id}: ${candidate} at ${shareText(share)}`;
  const choices = isWaiting(standing) ? choiceLines(standing, isOneOfMany) : [];
  if (standing.rolledBack !== undefined)
    return `${head}, ${phase}\n  ${standing.rolledBack.at}  ${standing.rolledBack.sentence}`;
  if (unjudged !== undefined) return [`${head}, held, nobody can judge it (see above)`, ...choices].join('\n');
  return [
    `${head}, ${placeText(phase, steps)}, ${requests} of ${minRequests} requests, ${time}`,
    ...(suspended === undefined ? verdictLines(standing) : suspendedLines(suspended)),
    ...choices,
    ...guardLines(standing),
  ].join('\n');
}

/** `step 1 of 3`; a phase that is in no step, such as pending, stands alone. */
export function placeText(phase: string, steps: number): string {
  return /step \d+$/.test(phase) ? `${phase} of ${steps}` : phase;
}

/** Whether it does not go on by itself, or may need a person soon. */
function isWaiting({ choices, unjudged, phase }: RolloutStanding): boolean {
  return unjudged !== undefined || phase.startsWith('awaiting') || choices.some(({ what }) => what === 'resume');
}

function verdictLines({ verdict }: RolloutStanding): string[] {
  return verdict === undefined ? [] : [`  ${verdict.kind}: ${verdict.sentence}`];
}

function suspendedLines({ since, sentence, now, next }: NonNullable<RolloutStanding['suspended']>): string[] {
  return [
    `  ! suspended since ${since}`,
    table([
      ['  now', now],
      ['  why', sentence],
      ['  next', next],
    ]),
  ];
}

function choiceLines({ model, id, choices }: RolloutStanding, isOneOfMany: boolean): string[] {
  const which = isOneOfMany ? ` --rollout ${id}` : '';
  const rows = choices.map(({ what, effect }) => [`  sluice ${what} ${model}${which} --reason TEXT`, effect]);
  return rows.length === 0 ? [] : ['    you can', table(rows)];
}

function guardLines({ guards, suspended }: RolloutStanding): string[] {
  if (suspended !== undefined && suspended.is !== 'probing') return []; // nobody asks the candidate
  const rows = guards.map(({ guard, is, evidence, needed }) => [
    guard,
    is,
    `${evidence.toPrecision(2)} of ${needed.toPrecision(2)}`,
  ]);
  return rows.length === 0 ? [] : [table([['guard', '', 'evidence'], ...rows])];
}
