// One shadow: is the candidate right? The verdict first, then what it rests on, then where it differs, down to one pair.
import { disagreementChart } from './chart.ts';
import { type Child, el, percent, styled, tableOf } from './dom.ts';
import { exampleButton, showExamples } from './examples.ts';
import { latency } from './latency.ts';
import { orderButton } from './order.ts';
import { shadowLines } from './overview.ts';
import type { FieldSummary, MarkedSummaries, Rate, ShadowStanding, SubjectSummary, Summary } from './types.ts';

const VERDICTS = {
  yes: ['bad', 'differs beyond noise'],
  no: ['good', 'no difference beyond noise'],
  unclear: ['warn', 'differs more than the noise floor, on too little data to be sure'],
  unmeasured: ['warn', 'differs; the noise floor is not measured yet'],
  nothing_compared: ['warn', 'no pair could be compared'],
} as const;

export type ComparisonView = {
  readonly model: string;
  readonly shadow: string;
  /** How far back the page looks. */
  readonly hours: string;
  readonly summaries: MarkedSummaries;
  readonly standing: ShadowStanding | undefined;
  readonly again: () => void;
};

/** The page of one shadow. */
export function comparisonPage(view: ComparisonView): HTMLElement {
  const { model, shadow, summaries, standing, again } = view;
  const subjects = summaries.subjects.filter(({ subject }) => subject.model === model && subject.shadow === shadow);
  return el(
    'div',
    {},
    el('h1', {}, `${model}: shadow ${shadow}`),
    ranges(view),
    ...(subjects.length === 0
      ? [
          el(
            'p',
            { class: 'quiet' },
            'Nothing compared in this time. Is there traffic, and does the shadow get copies?',
          ),
        ]
      : subjects.map((subject) => subjectSection(subject, view))),
    ...(standing === undefined ? [] : [el('h2', {}, 'Copies of this gateway'), ...shadowLines(model, standing, again)]),
  );
}

function ranges({ model, shadow, hours }: ComparisonView): HTMLElement {
  const link = (value: string, label: string) =>
    el(
      'a',
      {
        href: `#/shadow/${encodeURIComponent(model)}/${encodeURIComponent(shadow)}/${value}`,
        'aria-current': value === hours ? 'true' : undefined,
      },
      label,
    );
  return el(
    'p',
    { class: 'ranges' },
    'The last ',
    link('2', '2 hours'),
    ' ',
    link('24', 'day'),
    ' ',
    link('168', 'week'),
  );
}

function subjectSection({ subject, summary, series }: SubjectSummary, view: ComparisonView): HTMLElement {
  const marked = view.summaries.marked[`${view.model}/${view.shadow}`] ?? [];
  const fields = [...summary.fields].sort(
    (a, b) => Number(marked.includes(a.field)) - Number(marked.includes(b.field)),
  );
  return el(
    'section',
    { 'aria-label': `${subject.candidate} beside ${subject.baseline}` },
    verdict(subject.candidate, subject.baseline, summary, marked),
    el('h2', {}, 'Coverage'),
    coverage(summary),
    el('h2', {}, 'Disagreement over time'),
    disagreementChart(series),
    el('h2', {}, 'Fields, the worst first'),
    fieldTable(fields, marked, view),
    otherFields(summary),
    ...fields.flatMap((field) => confusion(field, subject, view)),
    ...latency(summary),
    ...slices(summary),
    el('h2', {}, 'Examples'),
    el(
      'div',
      { class: 'actions' },
      exampleButton('That differ', view, { kind: 'different' }),
      exampleButton('Where the candidate failed', view, { kind: 'candidate_error' }),
      exampleButton('All', view, {}),
    ),
  );
}

/** A shadow of which every differing field was marked as noise by people agrees as far as they care. */
function verdict(candidate: string, baseline: string, summary: Summary, marked: readonly string[]): HTMLElement {
  const errors = summary.kinds.candidate_error ?? 0;
  const counting = summary.fields.filter(({ field }) => !marked.includes(field));
  const isOnlyMarked = marked.length > 0 && summary.fields.length > 0 && !counting.some(({ raw }) => raw.count > 0);
  const [tone, text] =
    errors > 0
      ? (['bad', `failed ${errors} times where ${baseline} did not`] as const)
      : VERDICTS[isOnlyMarked ? 'no' : summary.beyondNoise];
  const floor = summary.noise.of === 0 ? 'no noise floor yet' : `noise floor ${rate(summary.noise)}`;
  return el(
    'p',
    { class: `verdict ${tone}`, id: 'verdict' },
    `${candidate}: ${text}`,
    el('small', {}, `${rate(summary.disagreement)} of the pairs differ; ${floor}`),
    isOnlyMarked ? el('small', {}, `Fields marked as noise are left out: ${marked.join(', ')}`) : undefined,
  );
}

function rate({ rate: part, low, high, count, of }: Rate): string {
  return `${percent(part)} (${percent(low)} to ${percent(high)}, ${count} of ${of})`;
}

function coverage({ pairs, kinds, candidateErrors }: Summary): HTMLElement {
  const errors = Object.entries(candidateErrors).map(([name, count]) => `${name} ${count}`);
  const rows = Object.entries(kinds).map(([kind, count]) => [
    kind.replaceAll('_', ' '),
    count ?? 0,
    percent((count ?? 0) / Math.max(1, pairs)),
    kind === 'candidate_error' ? errors.join(', ') : '',
  ]);
  return tableOf(['pairs', 'count', 'share', ''], [['all', pairs, '', ''], ...rows], 'coverage');
}

function fieldTable(fields: readonly FieldSummary[], marked: readonly string[], view: ComparisonView): HTMLElement {
  const rows = fields.map((field) => {
    const isMarked = marked.includes(field.field);
    return [
      field.field,
      field.as,
      rate(field.raw),
      field.noise.of === 0 ? 'not measured' : rate(field.noise),
      isMarked ? 'marked as noise' : field.beyondNoise.replaceAll('_', ' '),
      field.distance.toPrecision(3),
      el(
        'div',
        { class: 'actions' },
        exampleButton('Examples', view, { field: field.field }),
        orderButton(isMarked ? 'Unmark' : 'Mark as noise', {
          title: `${isMarked ? 'Unmark' : 'Mark as noise'} ${field.field}`,
          path: `/api/models/${encodeURIComponent(view.model)}/shadows/${encodeURIComponent(view.shadow)}/noise`,
          body: { field: field.field, isNoise: !isMarked },
          onDone: view.again,
        }),
      ),
    ];
  });
  if (rows.length === 0) return el('p', { class: 'quiet' }, 'No field differs.');
  return tableOf(
    ['field', 'compared as', 'differs', 'noise floor', 'beyond noise', 'mean distance', ''],
    rows,
    'fields',
    'cards',
  );
}

/** Answers can have more fields than are listed. */
function otherFields({ otherFields: { compared, differing } }: Summary): Child {
  if (compared === 0) return undefined;
  return el(
    'p',
    { class: 'quiet' },
    `Further fields, counted together: ${differing} of ${compared} comparisons differ.`,
  );
}

/** Labels of the baseline down, of the candidate across; every flip opens its examples. */
function confusion(
  { field, classification }: FieldSummary,
  { baseline, candidate }: SubjectSummary['subject'],
  view: ComparisonView,
): Child[] {
  if (classification === undefined) return [];
  const { flipped, agreed, kappa, flips, unlisted } = classification;
  const labels = [
    ...new Set([...Object.keys(agreed), ...flipped.flatMap((cell) => [cell.baseline, cell.candidate])]),
  ].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }));
  const rowsOf = new Map(flipped.map((cell) => [`${cell.baseline}\n${cell.candidate}`, cell.rows]));
  const countOf = (from: string, to: string) => (from === to ? agreed[from] : rowsOf.get(`${from}\n${to}`)) ?? 0;
  const cellOf = (from: string, to: string): Child => {
    const count = countOf(from, to);
    if (count === 0) return '';
    const share = count / labels.reduce((sum, label) => sum + countOf(from, label), 0);
    if (from === to) return styled(el('span', { class: 'same' }, String(count)), { '--share': share });
    const open = () =>
      void showExamples(view, { from, to, field }, `${baseline} said ${from}, ${candidate} said ${to}`);
    const button = el(
      'button',
      { type: 'button', class: 'cell', 'aria-label': `${count} of ${from} that became ${to}`, click: open },
      String(count),
    );
    return styled(button, { '--share': share });
  };
  const matrix = tableOf(
    [`${baseline} ↓ ${candidate} →`, ...labels],
    labels.map((from) => [el('strong', {}, from), ...labels.map((to) => cellOf(from, to))]),
    `confusion of ${field}`,
  );
  matrix.querySelector('table')?.classList.add('matrix');
  return [
    el('h2', {}, `${field}: which label became which`),
    el(
      'p',
      {},
      `Flips ${rate(flips)} of the rows; Cohen's kappa ${kappa === undefined ? 'not given' : kappa.toFixed(4)}`,
    ),
    unlisted > 0
      ? el('p', { class: 'quiet' }, `There are more labels than are listed: ${unlisted} rows are not in this table.`)
      : undefined,
    matrix,
  ];
}

function slices({ slices: listed, otherSlices }: Summary): Child[] {
  if (listed.length === 0) return [];
  const rows = [
    ...listed.map(({ value, ...slice }) => ({ ...slice, value: `: ${value}` })),
    ...otherSlices.map((slice) => ({ ...slice, value: ', further values together' })),
  ].map(({ name, value, pairs, errors, disagreement }) => [`${name}${value}`, pairs, errors, rate(disagreement)]);
  return [
    el('h2', {}, 'Slices, the surest difference first'),
    tableOf(['slice', 'pairs', 'errors', 'differs'], rows, 'slices', 'cards'),
  ];
}
