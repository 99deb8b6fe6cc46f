// Single comparisons behind a number, in a dialog; each opens its pair.
import { get } from './api.ts';
import { el, tableOf, timeText } from './dom.ts';
import { showPair } from './pair.ts';
import type { Comparison } from './types.ts';

type Shadow = { readonly model: string; readonly shadow: string };

/** Parameters of `/api/comparisons` beside the shadow's. */
type Filter = Readonly<Record<string, string>>;

/** Opens the examples that a filter leaves. */
export function exampleButton(label: string, shadow: Shadow, filter: Filter): HTMLElement {
  return el('button', { type: 'button', click: () => void showExamples(shadow, filter, label) }, label);
}

/** Shows the newest 20. */
export async function showExamples({ model, shadow }: Shadow, filter: Filter, title: string): Promise<void> {
  const query = new URLSearchParams({ model, shadow, limit: '20', ...filter });
  const dialog = el('dialog', { 'aria-label': title });
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  const body = await get<{ comparisons: Comparison[] }>(`/api/comparisons?${query}`).then(
    ({ comparisons }) => exampleTable(comparisons),
    (error: Error) => el('p', { class: 'bad' }, error.message),
  );
  dialog.append(
    el('h2', {}, title),
    body,
    el('div', { class: 'actions' }, el('button', { type: 'button', click: () => dialog.close() }, 'Close')),
  );
  dialog.querySelector('button')?.focus();
}

function exampleTable(comparisons: readonly Comparison[]): HTMLElement {
  if (comparisons.length === 0) return el('p', { class: 'quiet' }, 'There is none.');
  const rows = comparisons.map((comparison) => [
    timeText(comparison.at),
    comparison.kind.replaceAll('_', ' '),
    comparison.reason ?? comparison.fields.flatMap(({ field, same }) => (same ? [] : [field])).join(', '),
    el('button', { type: 'button', class: 'cell', click: () => void showPair(comparison) }, comparison.id),
  ]);
  return tableOf(['when', 'kind', 'what', 'request'], rows, 'examples', 'cards');
}
