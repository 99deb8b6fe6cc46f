// What a command writes is whole or not written, and never over an edit that it did not see.
import assert from 'node:assert/strict';
import { chmodSync, lstatSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeOver, writeWhole } from '../../../gateway/cli/write-file.ts';
import { folderOf } from '../../support/folder.ts';
import { fill, needsRoot, smallDisk } from '../../support/small-disk.ts';

test('a full disk leaves the policy as it was, and the command says so', needsRoot(), (t) => {
  const disk = smallDisk(t, '1m');
  const policy = join(disk, 'policy.yaml');
  const before = `# ${'x'.repeat(20_000)}\n`;
  writeFileSync(policy, before);
  fill(join(disk, 'ballast'));
  assert.throws(() => writeOver(policy, before, `${before}# more\n`), /policy.yaml cannot be written: ENOSPC/);
  assert.equal(readFileSync(policy, 'utf8'), before);
  assert.deepEqual(readdirSync(disk).sort(), ['ballast', 'policy.yaml']);
  rmSync(join(disk, 'ballast'));
  writeOver(policy, before, 'new');
  assert.equal(readFileSync(policy, 'utf8'), 'new');
});

test('an edit that came between reading and writing is kept', (t) => {
  const policy = join(folderOf(t), 'policy.yaml');
  writeFileSync(policy, 'edited by a person meanwhile');
  assert.throws(() => writeOver(policy, 'as it was read', 'tuned'), /was changed meanwhile.*run the command again/);
  assert.equal(readFileSync(policy, 'utf8'), 'edited by a person meanwhile');
});

test('a policy with a byte order mark is no edit of someone else', (t) => {
  const policy = join(folderOf(t), 'policy.yaml');
  writeFileSync(policy, '\ufeffas it was read');
  writeOver(policy, 'as it was read', 'tuned');
  assert.equal(readFileSync(policy, 'utf8'), 'tuned');
});

test('a file keeps its mode and the links to it, and a new one is made', (t) => {
  const folder = folderOf(t);
  const [file, link] = [join(folder, 'file'), join(folder, 'link')];
  writeWhole(file, 'one');
  chmodSync(file, 0o640);
  symlinkSync('file', link);
  writeWhole(link, 'two');
  assert.deepEqual(
    [readFileSync(file, 'utf8'), statSync(file).mode & 0o777, lstatSync(link).isSymbolicLink()],
    ['two', 0o640, true],
  );
  writeWhole('/dev/null', 'three');
  assert.deepEqual(readdirSync(folder).sort(), ['file', 'link']);
});
