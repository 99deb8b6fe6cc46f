// Elements from values. Everything from outside becomes text: nothing here parses HTML.

export type Child = Node | string | number | undefined;

type Attributes = Readonly<Record<string, string | number | boolean | undefined | ((event: Event) => void)>>;

/** An element. Attributes that are functions listen to the event of that name; undefined and false ones are left out. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(
    ...children.flatMap((child) => (child === undefined ? [] : [typeof child === 'number' ? String(child) : child])),
  );
  return element;
}

/**
 * A table whose wide content scrolls by itself. Numbers stand to the right. With `cards` each row becomes a card on a narrow
 * screen, where its last columns would be out of sight.
 */
export function tableOf(
  head: readonly string[],
  rows: readonly (readonly Child[])[],
  caption: string,
  narrow: 'scrolls' | 'cards' = 'scrolls',
): HTMLElement {
  const number = (value: Child) => (typeof value === 'number' ? 'number' : undefined);
  const body = rows.map((row) =>
    el('tr', {}, ...row.map((value, i) => el('td', { class: number(value), 'data-label': head[i] }, value))),
  );
  return el(
    'div',
    { class: narrow === 'cards' ? 'scroll cards-when-narrow' : 'scroll' },
    el(
      'table',
      { 'aria-label': caption },
      el('thead', {}, el('tr', {}, ...head.map((name) => el('th', { scope: 'col' }, name)))),
      el('tbody', {}, ...body),
    ),
  );
}

/** An element with custom properties for the style sheet: a strict policy allows no style attribute. */
export function styled<E extends HTMLElement>(element: E, properties: Readonly<Record<`--${string}`, number>>): E {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, String(value));
  return element;
}

/** 3.2 %, with so many digits that small parts do not read as nothing. */
export function percent(part: number): string {
  const hundred = 100 * part;
  return `${hundred !== 0 && Math.abs(hundred) < 10 ? hundred.toFixed(2) : hundred.toFixed(1)} %`;
}

export function milliseconds(ms: number): string {
  return `${Math.abs(ms) < 10 ? ms.toFixed(2) : ms.toFixed(0)} ms`;
}

export function timeText(at: number | string): string {
  return new Date(at).toLocaleString();
}
