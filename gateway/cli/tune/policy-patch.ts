// Changes a policy's text where a value stands, and nowhere else: comments and layout stay as people left them.
import { isMap, isScalar, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml';

/** A value to write, as YAML on one line, at a path of keys. Keys that are missing are made. */
export type Edit = { readonly path: readonly string[]; readonly yaml: string };

/** The text with every edit made. Throws when a path leads through something that is no map. */
export function editedText(text: string, edits: readonly Edit[]): string {
  return edits.reduce(edited, text);
}

function edited(text: string, { path, yaml }: Edit): string {
  let map = parseDocument(text, { version: '1.2' }).contents as Node | null;
  for (const [i, key] of path.entries()) {
    if (!isMap(map)) throw new Error(`${path.slice(0, i).join('.')} is no map`);
    const pair = map.items.find((each) => isScalar(each.key) && String(each.key.value) === key) as
      | Pair<Node, Node | null>
      | undefined;
    const value = pair?.value;
    if (pair === undefined || !value?.range) return inserted(text, map, path.slice(i), yaml);
    if (i === path.length - 1) return text.slice(0, value.range[0]) + yaml + text.slice(value.range[1]);
    map = value;
  }
  return text;
}

/** A new pair at the end of a map; what is missing on the way to it is written in braces. */
function inserted(text: string, map: YAMLMap, [key = '', ...rest]: readonly string[], yaml: string): string {
  const value = rest.reduceRight((inner, each) => `{ ${each}: ${inner} }`, yaml);
  const last = map.items.at(-1) as Pair<Node, Node | null> | undefined;
  if (map.flow || last === undefined) {
    const close = text.lastIndexOf('}', (map.range?.[1] ?? text.length) - 1);
    const head = text.slice(0, close).trimEnd();
    return `${head}${map.items.length === 0 ? '' : ','} ${key}: ${value} ${text.slice(close)}`;
  }
  const start = last.key.range?.[0] ?? 0;
  const indent = ' '.repeat(start - (text.lastIndexOf('\n', start - 1) + 1));
  const end = (last.value ?? last.key).range?.[1] ?? text.length;
  const lineEnd = text.indexOf('\n', end);
  // A block scalar or a block map ends behind its line break already.
  const at = text[end - 1] === '\n' ? end - 1 : lineEnd === -1 ? text.length : lineEnd;
  return `${text.slice(0, at)}\n${indent}${key}: ${value}${text.slice(at)}`;
}

/** A unified diff of one hunk, which `patch` and `git apply` take; empty when nothing changed. */
export function unifiedDiff(file: string, before: string, after: string): string {
  if (before === after) return '';
  const [a, b] = [before.split('\n'), after.split('\n')];
  let head = 0;
  while (a[head] === b[head] && head < a.length) head++;
  let tail = 0;
  while (tail < Math.min(a.length, b.length) - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const from = Math.max(0, head - 3);
  // The empty part behind the last line break is no line.
  const context = a.slice(a.length - tail, Math.min(a.length - tail + 3, a.length - 1));
  const lead = a.slice(from, head);
  const removed = a.slice(head, a.length - tail);
  const added = b.slice(head, b.length - tail);
  const count = (lines: readonly string[]) => lead.length + lines.length + context.length;
  return [
    `--- a/${file}`,
    `+++ b/${file}`,
    `@@ -${from + 1},${count(removed)} +${from + 1},${count(added)} @@`,
    ...lead.map((line) => ` ${line}`),
    ...removed.map((line) => `-${line}`),
    ...added.map((line) => `+${line}`),
    ...context.map((line) => ` ${line}`),
    '',
  ].join('\n');
}
