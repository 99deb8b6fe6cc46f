// The table of promises names tests that exist.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const TABLE = readFileSync('test/faults/README.md', 'utf8');
const CITED = /\[([^\]]+\.ts)\]\(\.\.\/[^)]+\)(?:: ((?:(?!<br>| \|$).)+))?/gm;

test('every promise of the table is kept by a test that exists, under the title that it has', () => {
  const rows = TABLE.split('\n').filter((line) => line.startsWith('| ') && !/^\| (promise|---) /.test(line));
  const cited = [...TABLE.matchAll(CITED)].map(([, file = '', title = '']) => ({ file: join('test', file), title }));
  assert.ok(rows.length > 100 && cited.length >= rows.length, `${rows.length} rows, ${cited.length} tests`);
  assert.deepEqual(
    cited.filter(({ file, title }) => !existsSync(file) || !hasTitle(file, title)),
    [],
  );
});

/** Whether every part of a title, between the parts that its test fills in, stands in the file. */
function hasTitle(file: string, title: string): boolean {
  const source = plain(readFileSync(file, 'utf8'));
  return title.split('…').every((part) => source.includes(plain(part).trim()));
}

/** Without the marks in which a source writes a text. */
function plain(text: string): string {
  return text.replace(/[\\`'"]/g, '');
}
