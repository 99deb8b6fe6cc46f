// One pair, side by side, with the differences marked.
import { get } from './api.ts';
import { type Child, el, milliseconds, tableOf, timeText } from './dom.ts';
import type { Comparison } from './types.ts';

/** Opens the pair in a dialog of its own. */
export async function showPair(comparison: Comparison): Promise<void> {
  const { id, model, shadow, kind, reason, at, slices = {} } = comparison;
  const kept = await get<{ kept: unknown }>(`/api/comparisons/kept?id=${encodeURIComponent(id)}`).then(
    (answer) => answer.kept,
    () => null,
  );
  const dialog = el('dialog', { 'aria-label': `request ${id}` });
  dialog.addEventListener('close', () => dialog.remove());
  dialog.append(
    el('h2', {}, `${kind.replaceAll('_', ' ')}: request ${id}`),
    el(
      'p',
      { class: 'quiet' },
      `${model}, shadow ${shadow}, ${timeText(at)} ${Object.entries(slices)
        .map(([name, value]) => `${name}: ${value}`)
        .join(', ')}`,
    ),
    reason === undefined ? '' : el('p', {}, reason),
    sideBySide(comparison),
    el('h3', {}, 'Values that the policy keeps'),
    kept === null
      ? el(
          'p',
          { class: 'quiet' },
          'None: `compare.keep` of the shadow names the fields to keep, for a sample and a time.',
        )
      : el('pre', {}, JSON.stringify(kept, null, 2)),
    el('div', { class: 'actions' }, el('button', { type: 'button', click: () => dialog.close() }, 'Close')),
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** What is known of both answers, with the rows marked that differ. */
function sideBySide({ baseline, candidate, fields }: Comparison): HTMLElement {
  const facts: [string, Child, Child][] = [
    ['version', baseline.version, candidate.version],
    ['status', String(baseline.status), String(candidate.status)],
    ['fault', baseline.fault ?? '', candidate.fault ?? ''],
    ['latency', milliseconds(baseline.latencyMs), milliseconds(candidate.latencyMs)],
    ['bytes', String(baseline.bytes), String(candidate.bytes)],
    ['confidence', shown(baseline.confidence), shown(candidate.confidence)],
    ['server', baseline.server, candidate.server],
    ['model file', (baseline.digest ?? '').slice(0, 12), (candidate.digest ?? '').slice(0, 12)],
    ...fields.flatMap((field): [string, Child, Child][] =>
      field.as === 'classification'
        ? field.cells.map(([from, to, rows]) => [`${field.field}${rows > 1 ? `, ${rows} rows` : ''}`, from, to])
        : [[field.field, field.same ? 'same' : 'differs', `distance ${field.distance.toPrecision(3)}`]],
    ),
  ];
  const side = tableOf(['', 'baseline', 'candidate'], facts, 'side by side');
  for (const row of side.querySelectorAll('tbody tr')) {
    const [, a, b] = [...row.children].map((cell) => cell.textContent);
    const name = row.firstChild?.textContent ?? '';
    if (a !== b && !['version', 'latency', 'bytes', 'server', 'model file', 'confidence'].includes(name))
      row.className = 'differs';
  }
  return side;
}

function shown(confidence: number | undefined): string {
  return confidence === undefined ? '' : confidence.toFixed(4);
}
