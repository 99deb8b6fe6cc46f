// A link to a heading leads to one.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { trackedFiles } from './support/tracked-files.ts';

/** The anchors of a file's headings, as GitHub makes them. */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = [...withoutCode(text).matchAll(/^#{1,6} (.+)$/gm)].map(([, words = '']) => words);
  const seen = new Map<string, number>();
  return new Set(
    headings.map((words) => {
      const plain = words.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
      const anchor = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-');
      const before = seen.get(anchor) ?? 0;
      seen.set(anchor, before + 1);
      return before === 0 ? anchor : `${anchor}-${before}`;
    }),
  );
}

function withoutCode(text: string): string {
  return text.replace(/^```.*?^```/gms, '');
}

const DOCUMENTS = trackedFiles().filter((file) => file.endsWith('.md'));

test('every relative link to a heading of a document leads to one', () => {
  const lost: string[] = [];
  let count = 0;
  for (const file of DOCUMENTS)
    for (const [, path = '', anchor = ''] of withoutCode(readFileSync(file, 'utf8')).matchAll(
      /\]\(([^)#:\s]*)#([^)\s]+)\)/g,
    )) {
      count++;
      const target = path === '' ? file : join(dirname(file), path);
      if (!existsSync(target) || !anchorsOf(readFileSync(target, 'utf8')).has(anchor))
        lost.push(`${file}: ${path}#${anchor}`);
    }
  assert.ok(count > 5, String(count));
  assert.deepEqual(lost, []);
});

test('every heading is a line of its own', () => {
  for (const file of DOCUMENTS)
    assert.doesNotMatch(
      withoutCode(readFileSync(file, 'utf8')).replace(/`[^`\n]*`/g, ''),
      /^[^\n]*\S #{2,6} [A-Z]/m,
      file,
    );
});
