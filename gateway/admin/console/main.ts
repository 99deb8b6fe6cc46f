// The console: what the address says is shown, and shown anew every few seconds while someone looks.
import { ApiError, get, keepToken } from './api.ts';
import { comparisonPage } from './comparison.ts';
import { el, tableOf, timeText } from './dom.ts';
import { textOf } from './order.ts';
import { overview } from './overview.ts';
import type { ExperimentReport, MarkedSummaries, Status, TierReport } from './types.ts';

const EVERY_MS = 3000;
const HOUR_MS = 3_600_000;

const main = document.getElementById('main') as HTMLElement;
const state = document.getElementById('state') as HTMLElement;
/** What is shown, as text: the page is only touched when something changed, so that focus and selection stay. */
let shown = '';
let timer: ReturnType<typeof setTimeout> | undefined;

async function show(): Promise<void> {
  clearTimeout(timer);
  if (document.visibilityState === 'visible' && document.querySelector('dialog[open]') === null) {
    try {
      const { key, page } = await view(location.hash);
      if (key !== shown) {
        keepFocus(() => main.replaceChildren(page()));
        shown = key;
      }
      state.textContent = `as of ${new Date().toLocaleTimeString()}`;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) askForToken();
      else state.textContent = textOf(error);
    }
  }
  timer = setTimeout(() => void show(), EVERY_MS);
}

/** An order has changed something: everything is read anew. */
function again(): void {
  shown = '';
  void show();
}

type View = { readonly key: string; readonly page: () => HTMLElement };

async function view(hash: string): Promise<View> {
  const [, kind, model = '', shadow = '', hours = '2'] = hash.split('/').map(decodeURIComponent);
  if (kind === 'audit') {
    const { entries } = await get<{ entries: Readonly<Record<string, unknown>>[] }>('/api/audit');
    return { key: `audit${JSON.stringify(entries)}`, page: () => history(entries) };
  }
  const status = await get<Status>('/api/status');
  if (kind !== 'shadow') {
    const { experiments } = await get<{ experiments: ExperimentReport[] }>('/api/experiments');
    const { tiers: calibration } = await get<{ tiers: TierReport[] }>('/api/calibration');
    const key = `models${JSON.stringify([status, experiments, calibration])}`;
    return { key, page: () => overview(status, { experiments, calibration }, again) };
  }
  // Up to two hours are told by the minute, more by the hour.
  const since = Date.now() - Math.min(720, Number(hours) || 2) * HOUR_MS + 1000;
  const query = new URLSearchParams({ model, shadow, since: String(Math.max(0, Math.round(since))) });
  const summaries = await get<MarkedSummaries>(`/api/comparisons/summary?${query}`);
  const served = status.models[model];
  const shadows = served !== undefined && 'shadows' in served ? served.shadows : [];
  const standing = shadows.find(({ name }) => name === shadow);
  return {
    key: `shadow${JSON.stringify([summaries.subjects, summaries.marked, standing, hash])}`,
    page: () => comparisonPage({ model, shadow, hours, summaries, standing, again }),
  };
}

/** Who did what, when and why: the newest first. */
function history(entries: readonly Readonly<Record<string, unknown>>[]): HTMLElement {
  const text = (value: unknown) =>
    value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  const rows = entries.map(({ at, event, model, rollout, shadow, by, reason, sentence }) => [
    timeText(Number(at)),
    text(event),
    [text(model), text(rollout ?? shadow)].filter((part) => part !== '').join('/'),
    typeof by === 'object' && by !== null ? text(Object.values(by).join(' ')) : text(by),
    text(reason ?? sentence),
  ]);
  return el(
    'div',
    {},
    el('h1', {}, 'History'),
    rows.length === 0
      ? el('p', { class: 'quiet' }, 'Nothing has happened yet.')
      : tableOf(['when', 'what', 'about', 'who', 'why'], rows, 'history', 'cards'),
  );
}

function askForToken(): void {
  if (document.getElementById('token') !== null) return;
  const token = el('input', { id: 'token', type: 'password', required: true, autocomplete: 'current-password' });
  const submit = (event: Event) => {
    event.preventDefault();
    keepToken(token.value);
    again();
  };
  shown = '';
  state.textContent = 'a token is needed';
  main.replaceChildren(
    el(
      'form',
      { class: 'card', submit },
      el('h1', {}, 'This gateway asks for its token'),
      el('label', { for: 'token' }, 'SLUICE_ADMIN_TOKEN'),
      token,
      el('div', { class: 'actions' }, el('button', { type: 'submit' }, 'Go on')),
    ),
  );
  token.focus();
}

/** Whoever walks the page by keyboard stays where they are when it is drawn anew. */
function keepFocus(draw: () => void): void {
  const all = () => [...main.querySelectorAll<HTMLElement>('a, button, input')];
  const at = all().indexOf(document.activeElement as HTMLElement);
  const scroll = window.scrollY;
  draw();
  if (at >= 0) all()[at]?.focus({ preventScroll: true });
  window.scrollTo(0, scroll);
}

window.addEventListener('hashchange', () => {
  shown = '';
  main.focus({ preventScroll: true });
  void show();
});
document.addEventListener('visibilitychange', () => void show());
void show();
