import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { test } from 'node:test';
import { filesOf, isOfTheRuntime } from './files.ts';
import { imageNode, TRIED } from './nodes.ts';

test('the images are made from one Node, and the suite is run under it', () => {
  const dockerfile = readFileSync('deploy/Dockerfile', 'utf8');
  assert.ok(TRIED.includes(imageNode()), `Node ${imageNode()} of the Dockerfile is among ${TRIED}`);
  assert.equal(dockerfile.match(/node:\d/g)?.length, 1, 'the Dockerfile names a version of Node once');
});

test('the oldest Node that package.json allows is the oldest that the suite is run under', () => {
  const { engines } = JSON.parse(readFileSync('package.json', 'utf8'));
  assert.match(engines.node, new RegExp(`^>=${Math.min(...TRIED)}\\.`));
});

test('what a test starts by the name node, or as #!/usr/bin/env node, is the Node that runs the test', () => {
  for (const command of [['node'], ['/usr/bin/env', 'node']] as const) {
    const [program, ...args] = command;
    const found = execFileSync(program, [...args, '-p', 'process.execPath'], { encoding: 'utf8' }).trim();
    assert.equal(realpathSync(found), realpathSync(process.execPath), command.join(' '));
  }
});

test('under the Node of the images every fault is run, the units, and the stories that try a runtime', () => {
  const all = filesOf('.test.js').map((file) => file.replace('dist/test/', ''));
  const chosen = filesOf('.test.js')
    .filter(isOfTheRuntime)
    .map((file) => file.replace('dist/test/', ''));
  const left = all.filter((file) => !chosen.includes(file));
  assert.deepEqual(
    left.filter((file) => file.startsWith('faults/')),
    [],
  );
  const units = (files: readonly string[]) => files.filter((file) => /^(gateway|model-server)\//.test(file)).length;
  assert.ok(units(left) < 0.1 * units(all), `${units(left)} of ${units(all)} units are left out`);
  for (const file of ['stories/forwarding', 'stories/shadow', 'deploy/images', 'gateway/compare/hostile'])
    assert.ok(chosen.includes(`${file}.test.js`), file);
});
