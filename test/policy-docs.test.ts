import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { policyMarkdown } from '../gateway/policy/docs.ts';

test('config/policy.md is what the schema in the code generates (npm run schema rewrites it)', () => {
  assert.equal(readFileSync('config/policy.md', 'utf8'), policyMarkdown());
  assert.doesNotMatch(policyMarkdown(), /\[object|undefined|``/);
});

test('every row of the reference has a description', () => {
  const rows = policyMarkdown()
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  assert.ok(rows.length > 70);
  assert.deepEqual(
    rows.filter((row) => / \| {2}\|$/.test(row)),
    [],
  );
});

test('the files that the reference leads to are there', () => {
  const links = [...policyMarkdown().matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link ?? '');
  assert.ok(links.length >= 7);
  for (const link of links) assert.ok(existsSync(join('config', link)), link);
});
