// The README promises only what is there.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { slotOf } from '../gateway/decide/bucket.ts';

const README = readFileSync('README.md', 'utf8');

test('the policy in the README is the one that npm start serves', () => {
  assert.ok(README.includes(readFileSync('config/policy.yaml', 'utf8').trimEnd()));
});

test('every file and folder that the README links to or lists exists', () => {
  const links = [...README.matchAll(/\]\(([^)#]+)\)/g)].map(([, path]) => path ?? '');
  const listed = [...README.matchAll(/^\| `([^`]+\/)`/gm)].map(([, path]) => path ?? '');
  assert.ok(links.length > 3 && listed.length > 8);
  assert.deepEqual(
    [...links, ...listed].filter((path) => !existsSync(path)),
    [],
  );
});

test('every script that the README names is in package.json', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8'));
  const named = [...README.matchAll(/npm run ([a-z]+)|npm (start|test)\b/g)].map(([, run, own]) => run ?? own ?? '');
  assert.ok(named.length > 5);
  assert.deepEqual(
    named.filter((script) => !(script in scripts)),
    [],
  );
});

test('the users that the README names get what it says', () => {
  assert.ok(slotOf('digits.canary', 'ada') < 100_000);
  assert.ok(slotOf('digits.canary', 'alan') >= 250_000);
});
