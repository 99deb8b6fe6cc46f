// deploy/README.md names only what is there.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const TEXT = readFileSync('deploy/README.md', 'utf8');

test('every file and folder that it names exists', () => {
  const quoted = [...TEXT.matchAll(/`([\w.@/-]+\/[\w.@/-]*|[\w.@-]+\.(?:yaml|json|service))`/g)].map(
    ([, path = '']) => path,
  );
  const typed = [...TEXT.matchAll(/\bdeploy\/[\w./@-]+/g)].map(([path]) => path);
  const named = [...quoted, ...typed].filter((path) => !path.startsWith('/') && !/admin-token$/.test(path));
  assert.ok(named.length > 25, String(named.length));
  const roots = ['', 'deploy/', 'deploy/kubernetes/', 'deploy/kubernetes/overlays/'];
  const lost = named.filter((path) => !roots.some((root) => existsSync(root + path)) && !path.startsWith('sluice/'));
  assert.deepEqual(lost, []);
});

test('every script, command, target and link that it names exists', () => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object };
  for (const [, script = ''] of TEXT.matchAll(/npm run (\w+)/g)) assert.ok(script in scripts, script);
  const main = readFileSync('gateway/main.ts', 'utf8');
  for (const [, command = ''] of TEXT.matchAll(/`sluice (\w+)/g)) assert.match(main, new RegExp(`\\b${command}: \\{`));
  const dockerfile = readFileSync('deploy/Dockerfile', 'utf8');
  for (const [, target = ''] of TEXT.matchAll(/--target ([\w-]+)/g))
    assert.match(dockerfile, new RegExp(` AS ${target}$`, 'm'));
  for (const [, alert = ''] of TEXT.matchAll(/\b(Sluice[A-Z]\w+)\b/g))
    assert.match(TEXT, new RegExp(`^### ${alert}$`, 'm'), alert);
});
