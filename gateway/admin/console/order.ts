// Orders of people: every one asks why, and says what came of it.
import { ApiError, post } from './api.ts';
import { el } from './dom.ts';

export type Order = {
  /** What is done, as a heading: `Roll back v2 of digits`. */
  readonly title: string;
  /** What comes of it, in words. */
  readonly effect?: string;
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly epoch?: number | undefined;
  readonly isDanger?: boolean;
  readonly onDone: () => void;
};

/** A button that asks for a reason and then sends the order. */
export function orderButton(label: string, order: Order): HTMLButtonElement {
  return el('button', { type: 'button', class: order.isDanger ? 'danger' : undefined, click: () => ask(order) }, label);
}

function ask({ title, effect, path, body = {}, epoch, isDanger, onDone }: Order): void {
  const { reason, by } = fields();
  const trouble = el('p', { class: 'bad', role: 'alert' });
  const dialog = el('dialog', { 'aria-label': title });
  const send = async (event: Event) => {
    event.preventDefault();
    sessionStorage.setItem('sluice-by', by.value);
    try {
      const { warning } = await post<{ warning?: string }>(
        path,
        { ...body, by: by.value, reason: reason.value },
        epoch,
      );
      onDone();
      if (warning === undefined) dialog.close();
      else
        form.replaceChildren(
          el('h2', {}, title),
          el('p', { class: 'bad', role: 'alert' }, `Done, but ${warning}.`),
          close('Close'),
        );
    } catch (error) {
      trouble.textContent = textOf(error);
    }
  };
  const close = (label: string) => el('button', { type: 'button', click: () => dialog.close() }, label);
  const form = el(
    'form',
    { submit: (event) => void send(event) },
    el('h2', {}, title),
    effect === undefined ? undefined : el('p', {}, `Then ${effect}.`),
    el('label', { for: 'reason' }, 'Why (it goes on record)'),
    reason,
    el('label', { for: 'by' }, 'Who'),
    by,
    trouble,
    el(
      'div',
      { class: 'actions' },
      el('button', { type: 'submit', class: isDanger ? 'danger' : undefined }, title),
      close('Cancel'),
    ),
  );
  dialog.append(form);
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  reason.focus();
}

function fields(): { readonly reason: HTMLInputElement; readonly by: HTMLInputElement } {
  const reason = el('input', { id: 'reason', name: 'reason', required: true, maxlength: 1000, autocomplete: 'off' });
  const by = el('input', { id: 'by', name: 'by', required: true, maxlength: 128, autocomplete: 'username' });
  by.value = sessionStorage.getItem('sluice-by') ?? '';
  return { reason, by };
}

/** The gateway's own words, and the next step where there is one. */
export function textOf(error: unknown): string {
  if (!(error instanceof ApiError)) return 'The gateway does not answer; trying again.';
  if (error.status === 412) return `${error.message}. Close this, look again, and decide anew.`;
  return error.message;
}
