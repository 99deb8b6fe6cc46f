import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { programsOf } from './provision.ts';
import { folderOf } from './support/folder.ts';
import { needs, PROGRAMS, packagesOf } from './support/programs.ts';
import { undo } from './support/undo.ts';

test('only the programs that a test file asks for, itself or through what it imports, are wanted', (t) => {
  const folder = folderOf(t, 'programs');
  // ASK stands for the helper's name, or this very file would ask for these programs.
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text.replaceAll('ASK', 'needs'));
    return join(folder, name);
  };
  file('store.js', "import { a } from './a.js';\nexport const WITH_REDIS = ASK('redis-server');");
  const a = file('a.js', "import { b } from './store.js';\nimport x from 'node:net';");
  const grid = file('grid.js', "test('x', ASK('nginx', 'haproxy'), () => {});");
  assert.deepEqual(programsOf([a]), ['redis-server']);
  assert.deepEqual(programsOf([grid]), ['nginx', 'haproxy']);
  assert.deepEqual(programsOf([a, grid]), ['redis-server', 'nginx', 'haproxy']);
  assert.deepEqual(programsOf([file('plain.js', "ASK('something-else')")]), []);
});

test('a missing program skips a test with the command that gets it, and fails it under CI', (t) => {
  const { PATH, CI } = process.env;
  undo(t, () => {
    process.env.PATH = PATH;
    if (CI === undefined) delete process.env.CI;
    else process.env.CI = CI;
  });
  const absent = 'no-such-program' as (typeof PROGRAMS)[number];
  delete process.env.CI;
  assert.match(String(needs(absent).skip), /^no-such-program missing; on Debian: apt-get install /);
  process.env.CI = 'true';
  assert.throws(() => needs(absent), /no-such-program missing/);
  assert.deepEqual(needs(), { skip: false });
  assert.deepEqual(packagesOf(PROGRAMS), [...new Set(packagesOf(PROGRAMS))]);
});
