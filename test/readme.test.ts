// The README promises only what is there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { slotOf } from '../gateway/decide/bucket.ts';
import { folderOf } from './support/folder.ts';

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

test('the commands that rehearse a policy say what the README shows', (t) => {
  const folder = folderOf(t, 'readme');
  const edited = join(folder, 'edited.yaml');
  writeFileSync(edited, readFileSync('config/policy.yaml', 'utf8').replace('steps: [10%]', 'steps: [25%]'));
  const shows = (lines: readonly string[]) =>
    assert.deepEqual(
      lines.filter((line) => !README.includes(`\n${line}\n`)),
      [],
    );
  shows(saidBy('diff', 'config/policy.yaml', edited));
  const curl = 'curl -s http://127.0.0.1:8080/v2/models/digits/infer -d @config/data/digits.json -H'.split(' ');
  const explained = saidBy('explain', ...curl, 'x-user-id: alice');
  const step = explained.findIndex((line) => line.includes('slot')); // before it stands what repeats the request
  assert.ok(step >= 0);
  shows(explained.slice(step, step + 3));
});

function saidBy(...args: readonly string[]): string[] {
  const { stdout, status } = spawnSync(process.execPath, ['dist/gateway/main.js', ...args], { encoding: 'utf8' });
  assert.equal(status, 0, stdout);
  return stdout.split('\n').filter((line) => line !== '');
}

test('the users that the README names get what it says', () => {
  assert.ok(slotOf('digits.canary.digits-v2', 'alice') < 100_000);
  assert.ok(slotOf('digits.canary.digits-v2', 'bob') >= 250_000);
});
