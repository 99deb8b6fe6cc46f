// Every model: who answers how much, how its rollouts, shadows and tiers stand, and the fleet behind them.
import { type Child, el, milliseconds, percent, tableOf, timeText } from './dom.ts';
import { ladderLines } from './ladder.ts';
import { orderButton } from './order.ts';
import type {
  CalibrationReport,
  ExperimentReport,
  ModelStatus,
  RolloutStanding,
  ServedStatus,
  ShadowStatus,
  Status,
} from './types.ts';

/** What is told beside the status. */
export type Reports = {
  readonly experiments: readonly ExperimentReport[];
  readonly calibration: readonly CalibrationReport[];
};

/** The page of all models; `again` shows it anew. */
export function overview(status: Status, { experiments, calibration }: Reports, again: () => void): HTMLElement {
  return el(
    'div',
    {},
    el('h1', {}, 'Models'),
    ...troubles(status).map((text) => el('p', { class: 'bad' }, text)),
    el(
      'div',
      { class: 'cards' },
      ...Object.entries(status.models).map(([name, model]) => card(name, model, { experiments, calibration }, again)),
    ),
    el('h2', {}, 'Fleet'),
    fleetTable(status),
  );
}

function troubles({ policy, store, refusals, isAutomatic, draining }: Status): string[] {
  return [
    ...(policy.mistake === undefined ? [] : [`The policy file is bad, the last good one decides: ${policy.mistake}`]),
    ...(store.up ? [] : [`The store is away: ${store.reason}`]),
    ...(isAutomatic ? [] : ['The kill switch is thrown: rollouts move by hand only.']),
    ...(draining ? ['This gateway is draining.'] : []),
    ...refusals.map(({ sentence }) => sentence),
  ];
}

function card(name: string, model: ModelStatus, { experiments, calibration }: Reports, again: () => void): HTMLElement {
  const heading = el('h2', {}, name);
  heading.style.marginTop = '0';
  if ('tiers' in model) {
    const own = calibration.filter((report) => report.model === name);
    return el('section', { class: 'card' }, heading, ...ladderLines(model.tiers, model.escalation, own));
  }
  return el(
    'section',
    { class: 'card', 'aria-label': `model ${name}` },
    heading,
    el('p', {}, 'Baseline ', el('strong', {}, model.baseline), `, of ${Object.keys(model.versions).join(', ')}`),
    ...splitLines(model),
    ...experiments.flatMap((report) => (report.model === name ? experimentLines(report) : [])),
    ...model.rollouts.flatMap((rollout) => [
      ...(rollout.withheld === undefined
        ? []
        : [el('p', { class: 'warn' }, `${rollout.candidate} is withheld: ${rollout.withheld}`)]),
      ...(rollout.standing === undefined ? [] : rolloutLines(name, rollout.standing, again)),
    ]),
    ...model.shadows.flatMap((shadow) => shadowLines(name, shadow, again)),
  );
}

function splitLines({ experiment }: ServedStatus): Child[] {
  if (experiment === undefined) return [];
  const arms = Object.entries(experiment.arms).map(([arm, share]) => `${arm} ${percent(share)}`);
  return [
    el(
      'p',
      {},
      `Experiment ${experiment.id} by ${experiment.unit}: ${arms.join(', ')}; holdout ${percent(experiment.holdout)}`,
    ),
  ];
}

/** Units, errors and latency by arm, and whether the units fell into the arms as they should. */
function experimentLines({ id, arms, sampleRatio, crossed }: ExperimentReport): Child[] {
  const time = (ms: number | undefined) => (ms === undefined ? '' : milliseconds(ms));
  const rows = arms.map(({ arm, units, requests, errors, p50Ms, p95Ms }) => [
    arm,
    Math.round(units),
    requests,
    percent(errors.rate),
    time(p50Ms),
    time(p95Ms),
  ]);
  const ratio =
    sampleRatio === undefined
      ? el('p', { class: 'quiet' }, 'Too few units yet to check whether they fall into the arms as the policy says.')
      : sampleRatio.mismatch
        ? el(
            'p',
            { class: 'bad' },
            `Sample-ratio mismatch (p ${sampleRatio.p.toExponential(1)}): units of an arm get lost, so its numbers cannot be trusted`,
          )
        : el('p', { class: 'good' }, `Units fall into the arms as the policy says (p ${sampleRatio.p.toFixed(3)})`);
  return [
    tableOf(['arm', 'units', 'requests', 'errors', 'p50', 'p95'], rows, `arms of ${id}`),
    ratio,
    crossed > 0 ? el('p', { class: 'warn' }, `${crossed} units of the sample saw more than one arm`) : undefined,
  ];
}

function rolloutLines(model: string, standing: RolloutStanding, again: () => void): Child[] {
  const { id, candidate, share, phase, steps, verdict, guards, rolledBack, epoch, requests, minRequests } = standing;
  const path = `/api/models/${encodeURIComponent(model)}/rollout`;
  const order = (label: string, action: string, isDanger = false) =>
    orderButton(label, {
      title: `${label} ${candidate} of ${model}`,
      path: `${path}/${action}`,
      body: { rollout: id },
      epoch,
      isDanger,
      onDone: again,
    });
  const head = el('h3', {}, `Rollout ${id}: ${candidate} at ${percent(share)}`);
  if (rolledBack !== undefined)
    return [
      head,
      el('p', { class: 'bad' }, `Rolled back ${timeText(rolledBack.at)}: ${rolledBack.sentence}`),
      examples(rolledBack.examples),
    ];
  return [
    head,
    el('p', { class: 'quiet' }, `${phase} of ${steps}; ${requests} of ${minRequests} requests`),
    ...(verdict === undefined ? [] : [el('p', {}, `${verdict.kind}: ${verdict.sentence}`)]),
    ...guards.map(({ guard, is, evidence, needed }) =>
      el(
        'p',
        {},
        el('progress', {
          max: 1,
          value: Math.min(1, Math.max(0, evidence / needed)),
          'aria-label': `evidence of ${guard}`,
        }),
        ` ${guard.replaceAll('_', ' ')}: ${is}, ${short(evidence)} of ${short(needed)} towards a rollback`,
      ),
    ),
    el(
      'div',
      { class: 'actions' },
      order('Promote', 'promote'),
      order('Pause', 'pause'),
      order('Resume', 'resume'),
      order('Roll back', 'rollback', true),
    ),
  ];
}

/** Two digits that count: 0.031, 1.2, 120. */
function short(value: number): string {
  return String(Number(value.toPrecision(2)));
}

function examples(ids: readonly string[]): Child {
  return ids.length === 0 ? undefined : el('p', { class: 'quiet' }, `For example ${ids.join(', ')}`);
}

/** What a shadow has got, and what was lost of it. */
export function shadowLines(
  model: string,
  { name, target, sample, isPaused, counts }: ShadowStatus,
  again: () => void,
): Child[] {
  const lost = Object.entries(counts.dropped).filter(([, count]) => count > 0);
  const action = isPaused ? 'resume' : 'pause';
  return [
    el(
      'h3',
      {},
      el('a', { href: `#/shadow/${encodeURIComponent(model)}/${encodeURIComponent(name)}` }, `Shadow ${name}`),
      ` gets ${percent(sample)} of the requests`,
    ),
    el(
      'p',
      { class: isPaused ? 'warn' : 'quiet' },
      `${isPaused ? 'Paused. ' : ''}${target}: ${counts.offered} copies, ${counts.answered} answered, ${counts.failed} failed, ${counts.timed_out} timed out`,
      lost.length === 0 ? '' : `; dropped: ${lost.map(([why, count]) => `${why} ${count}`).join(', ')}`,
    ),
    el(
      'div',
      { class: 'actions' },
      orderButton(isPaused ? 'Resume shadow' : 'Pause shadow', {
        title: `${isPaused ? 'Resume' : 'Pause'} shadow ${name} of ${model}`,
        path: `/api/models/${encodeURIComponent(model)}/shadows/${encodeURIComponent(name)}/${action}`,
        onDone: again,
      }),
    ),
  ];
}

function fleetTable({ fleet }: Status): HTMLElement {
  const rows = Object.entries(fleet as Record<string, { standing?: string; inFlight?: number }>).map(
    ([name, { standing = '', inFlight = 0 }]) => [
      name,
      el('span', { class: standing === 'healthy' ? 'good' : 'bad' }, standing),
      inFlight,
    ],
  );
  return tableOf(['server', 'standing', 'in flight'], rows, 'servers');
}
