// Every model: who answers how much, how its rollouts, shadows and tiers stand, and the fleet behind them.
import { type Child, el, milliseconds, percent, tableOf } from './dom.ts';
import { ladderLines } from './ladder.ts';
import { orderButton } from './order.ts';
import { rolloutLines } from './rollout.ts';
import type { ExperimentReport, ModelStatus, ServedStatus, ShadowStanding, Status, TierReport } from './types.ts';

/** What is told beside the status. */
export type Reports = {
  readonly experiments: readonly ExperimentReport[];
  readonly calibration: readonly TierReport[];
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

function troubles(status: Status): string[] {
  const { policy, store, refusals, held, pendingRollbacks, pendingSuspensions, isAutomatic, draining } = status;
  return [
    ...(policy.mistake === undefined ? [] : [`The policy file is bad, the last good one decides: ${policy.mistake}`]),
    ...(policy.unsettled === undefined ? [] : [`${sentenceCase(policy.unsettled)}.`]),
    ...[...store.troubles, ...store.losses].map((trouble) => `The store: ${trouble}`),
    ...(store.up || store.kind !== 'redis' ? [] : ['Until the store works nothing advances; rollbacks go on.']),
    ...(isAutomatic ? [] : ['The kill switch is thrown: rollouts move by hand only.']),
    ...(draining ? ['This gateway is draining.'] : []),
    ...(policy.uncopied === undefined ? [] : [`The policy: ${policy.uncopied}; it is tried again every second.`]),
    ...[...pendingRollbacks, ...pendingSuspensions].map(({ sentence }) => `${sentenceCase(sentence)}.`),
    ...refusals.map(({ sentence }) => sentence),
    ...held.map(({ id, sentence, next }) => `Rollout ${id} is held on its baseline: ${sentence}. Next: ${next}.`),
  ];
}

function card(name: string, model: ModelStatus, { experiments, calibration }: Reports, again: () => void): HTMLElement {
  const heading = el('h2', {}, name);
  heading.style.marginTop = '0';
  if ('tiers' in model) {
    const own = calibration.filter((report) => report.model === name);
    const lines = ladderLines(model.tiers, model.escalation, own);
    return el('section', { class: 'card' }, heading, ...lines, ...missedLines(model));
  }
  return el(
    'section',
    { class: 'card', 'aria-label': `model ${name}` },
    heading,
    el('p', {}, 'Baseline ', el('strong', {}, model.baseline), `, of ${Object.keys(model.versions).join(', ')}`),
    ...Object.values(model.versions).flatMap(({ unready }) =>
      unready === undefined ? [] : [el('p', { class: 'bad' }, sentenceCase(unready.sentence))],
    ),
    ...splitLines(model),
    ...missedLines(model),
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

function missedLines({ missed }: ModelStatus): Child[] {
  return (missed?.sentences ?? []).map((sentence) => el('p', { class: 'warn' }, sentenceCase(sentence)));
}

function sentenceCase(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
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

/** What a shadow has got, and what was lost of it. */
export function shadowLines(
  model: string,
  { name, target, sample, isPaused, counts }: ShadowStanding,
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
