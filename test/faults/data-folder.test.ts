// Data folders that cannot be made: a start ends with one clear line, wherever Node's own mkdir would try for ever.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { makeFolder } from '../../gateway/policy/make-folder.ts';
import { sluice } from '../gateway/cli/sluice.ts';
import { folderOf } from '../support/folder.ts';
import { freePorts } from '../support/free-ports.ts';
import { policyFile, policyOf } from '../support/gateway.ts';

const UNUSABLE: readonly (readonly [string, string])[] = [
  ['/proc/nope', "no folder can be made in /proc (ENOENT, mkdir '/proc/nope')"],
  ['/proc/nope/a/b', "no folder can be made in /proc (ENOENT, mkdir '/proc/nope')"],
  ['/dev/null/data', "ENOTDIR: not a directory, mkdir '/dev/null/data'"],
];

for (const command of ['gateway', 'start'])
  test(`sluice ${command} with a data folder that cannot be made ends with 1 and says why`, async (t) => {
    const [server, port, adminPort] = await freePorts(3);
    const file = policyFile(t, policyOf([`http://127.0.0.1:${server}`]));
    const args = ['--policy', file, '--port', String(port), '--admin-port', String(adminPort), '--log-level', 'silent'];
    for (const [data, why] of UNUSABLE) {
      const { code, stderr } = await sluice([command, ...args, '--data', data]);
      const line = `sluice: the data folder ${data} cannot be used: ${why}; give the gateway a folder of its own with --data\n`;
      assert.deepEqual([code, stderr], [1, line]);
    }
  });

test('a folder is made with all above it that are missing, by several at once, and one that is there stays as it is', async (t) => {
  const root = folderOf(t);
  const deep = join(root, 'a', 'b', 'c');
  await Promise.all([1, 2, 3].map(() => makeFolder(deep, 0o700)));
  assert.deepEqual([statSync(deep).mode & 0o777, statSync(dirname(deep)).mode & 0o777], [0o700, 0o700]);
  mkdirSync(join(root, 'open'), { mode: 0o755 });
  await makeFolder(join(root, 'open'), 0o700);
  assert.equal(statSync(join(root, 'open')).mode & 0o777, 0o755);
  symlinkSync(deep, join(root, 'link'));
  await makeFolder(join(root, 'link'));
  await makeFolder(join(root, 'link', 'd'));
  assert.ok(statSync(join(deep, 'd')).isDirectory());

  writeFileSync(join(root, 'file'), '');
  await assert.rejects(makeFolder(join(root, 'file')), { code: 'EEXIST' });
  await assert.rejects(makeFolder(join(root, 'file', 'below')), { code: 'ENOTDIR' });
  rmSync(deep, { recursive: true });
  await assert.rejects(makeFolder(join(root, 'link')), { code: 'EEXIST' });
});
