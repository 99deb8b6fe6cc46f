// One rollout: where it is, why, what happens next, and what a person can do about it.
import { type Child, el, percent, timeText } from './dom.ts';
import { orderButton } from './order.ts';
import type { RolloutStanding } from './types.ts';

type What = RolloutStanding['choices'][number]['what'];

const LABELS: Readonly<Record<What, string>> = {
  promote: 'Promote',
  resume: 'Resume',
  pause: 'Pause',
  rollback: 'Roll back',
};

/** The lines of a rollout in the card of its model; `again` shows the page anew. */
export function rolloutLines(model: string, standing: RolloutStanding, again: () => void): Child[] {
  const { id, candidate, share, rolledBack, unjudged, suspended } = standing;
  const head = el('h3', {}, `Rollout ${id}: ${candidate} at ${percent(share)}`);
  if (rolledBack !== undefined)
    return [
      head,
      el('p', { class: 'bad' }, `Rolled back ${timeText(rolledBack.at)}: ${rolledBack.sentence}`),
      examples(rolledBack.examples),
    ];
  const orders = orderLines(model, standing, again);
  if (unjudged !== undefined) return [head, unjudgedNote(standing, unjudged), ...orders];
  if (suspended !== undefined) return [head, suspendedNote(standing, suspended), ...evidenceLines(standing), ...orders];
  return [head, placeLine(standing), ...verdictLines(standing), ...evidenceLines(standing), ...orders];
}

function placeLine({ phase, steps, requests, minRequests }: RolloutStanding): HTMLElement {
  return el(
    'p',
    { class: 'quiet' },
    `${/step \d+$/.test(phase) ? `${phase} of ${steps}` : phase}; ${requests} of ${minRequests} requests`,
  );
}

function verdictLines({ verdict }: RolloutStanding): Child[] {
  return verdict === undefined ? [] : [el('p', {}, `${verdict.kind}: ${verdict.sentence}`)];
}

/** Its callers are with the baseline: since when, why, and what comes next. */
function suspendedNote(
  { phase, steps }: RolloutStanding,
  { is, since, sentence, now, next }: NonNullable<RolloutStanding['suspended']>,
): HTMLElement {
  const from = since === '' ? '' : ` since ${timeText(since)}`;
  return el(
    'section',
    { class: is === 'held' ? 'note held' : 'note', 'aria-label': 'suspension' },
    el('p', { class: 'lead' }, `${upper(phase)} of ${steps}${from}`),
    facts({ Now: now, Why: sentence, Next: next }),
  );
}

function unjudgedNote(
  { candidate, baseline, share }: RolloutStanding,
  { sentence, next }: NonNullable<RolloutStanding['unjudged']>,
): HTMLElement {
  return el(
    'section',
    { class: 'note held', 'aria-label': 'not judged' },
    el('p', { class: 'lead' }, 'Held: nobody can judge this rollout'),
    facts({ Now: `all callers are with ${share === 1 ? candidate : baseline}`, Why: sentence, Next: next }),
  );
}

function facts(rows: Readonly<Record<string, string>>): HTMLElement {
  const terms = Object.entries(rows).flatMap(([name, text]) => [el('dt', {}, name), el('dd', {}, text)]);
  return el('dl', {}, ...terms);
}

/** Guards with their evidence; while nobody asks the candidate there is none. */
function evidenceLines({ guards, suspended }: RolloutStanding): Child[] {
  if (suspended !== undefined && suspended.is !== 'probing') return [];
  const towards = suspended === undefined ? 'a suspension' : 'the end of the rollout';
  return guards.map(({ guard, is, evidence, needed }) =>
    el(
      'p',
      {},
      el('progress', {
        max: 1,
        value: Math.min(1, Math.max(0, evidence / needed)),
        'aria-label': `evidence of ${guard}`,
      }),
      ` ${guard.replaceAll('_', ' ')}: ${is}, ${short(evidence)} of ${short(needed)} towards ${endsAlone(guard) ? towards : 'a suspension'}`,
    ),
  );
}

/** Whether a guard can end a rollout; the others only suspend. */
function endsAlone(guard: RolloutStanding['guards'][number]['guard']): boolean {
  return guard !== 'consecutive_failures' && guard !== 'servers';
}

/** A button for each order that is possible now. While a rollout waits for a person, each says what comes of it. */
function orderLines(model: string, standing: RolloutStanding, again: () => void): Child[] {
  const { id, candidate, epoch, choices } = standing;
  if (choices.length === 0) return [];
  const button = (what: What, effect: string) =>
    orderButton(LABELS[what], {
      title: `${LABELS[what]} ${candidate} of ${model}`,
      effect,
      path: `/api/models/${encodeURIComponent(model)}/rollout/${what}`,
      body: { rollout: id },
      // A probe that begins while a person writes the reason must not refuse the rollback.
      epoch: what === 'rollback' && standing.suspended !== undefined ? undefined : epoch,
      isDanger: what === 'rollback',
      onDone: again,
    });
  const isCalm = standing.suspended === undefined && standing.unjudged === undefined;
  if (isCalm) return [el('div', { class: 'actions' }, ...choices.map(({ what, effect }) => button(what, effect)))];
  const rows = choices.flatMap(({ what, effect }) => [button(what, effect), el('span', {}, effect)]);
  return [el('div', { class: 'choices' }, ...rows)];
}

function upper(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Two digits that count: 0.031, 1.2, 120. */
function short(value: number): string {
  return String(Number(value.toPrecision(2)));
}

function examples(ids: readonly string[]): Child {
  return ids.length === 0 ? undefined : el('p', { class: 'quiet' }, `For example ${ids.join(', ')}`);
}
