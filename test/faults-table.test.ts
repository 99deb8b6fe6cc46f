// The table of promises names tests that exist.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const TABLE = readFileSync('test/faults/README.md', 'utf8');
const CITED = /\[([^\]]+\.ts)\]\(\.\.\/[^)]+\)(?:: ((?:(?!<br>| \|$).)+))?/gm;

test('every promise of the table is kept by a test that exists, under the title that it has', () => {
  const rows = TABLE.split('\n').filter(
    (line) => line.startsWith('| ') && !/^\| (promise|code|---|[A-Z]\d+) /.test(line),
  );
  const cited = [...TABLE.matchAll(CITED)].map(([, file = '', title = '']) => ({ file: join('test', file), title }));
  assert.ok(rows.length > 100 && cited.length >= rows.length, `${rows.length} rows, ${cited.length} tests`);
  assert.deepEqual(
    cited.filter(({ file, title }) => !existsSync(file) || !hasTitle(file, title)),
    [],
  );
});

test('every code at the beginning of a title is defined, and every code that is defined begins one', () => {
  const titles = filesIn('test').flatMap((file) => [
    ...readFileSync(file, 'utf8').matchAll(/['"`]([A-Z]\d{1,2}(?:, [A-Z]\d{1,2})*): /g),
  ]);
  const cited = new Set(titles.flatMap(([, codes = '']) => codes.split(', ')));
  const defined = new Set([...TABLE.matchAll(/^\| ([A-Z]\d+) \|/gm)].map(([, code = '']) => code));
  assert.deepEqual([...cited].sort(), [...defined].sort());
});

function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(test|soak)\.ts$/.test(file))
    .map((file) => join(folder, file));
}

/** Whether every part of a title, between the parts that its test fills in, stands in the file. */
function hasTitle(file: string, title: string): boolean {
  const source = plain(readFileSync(file, 'utf8'));
  return title.split('…').every((part) => source.includes(plain(part).trim()));
}

/** Without the marks in which a source writes a text. */
function plain(text: string): string {
  return text.replace(/[\\`'"]/g, '');
}
