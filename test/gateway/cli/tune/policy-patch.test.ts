import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { editedText, unifiedDiff } from '../../../../gateway/cli/tune/policy-patch.ts';
import { folderOf } from '../../../support/folder.ts';

const PATH = ['models', 'm', 'tiers', 'escalate'];

test('a value is changed where it stands; comments and layout stay', () => {
  const text =
    'models: # all of them\n  m:\n    tiers:\n      escalate:\n        below: { fast: 0.9, mid: 0.5 } # tuned\n';
  assert.equal(editedText(text, [{ path: [...PATH, 'below', 'fast'], yaml: '0.95' }]), text.replace('0.9,', '0.95,'));
});

test('what is missing is added: to a block, to braces, to an empty map, at the end of a file', () => {
  const edit = [{ path: [...PATH, 'calibration', 'fast'], yaml: '[1]' }];
  const block =
    'models:\n  m:\n    tiers:\n      escalate:\n        below: { fast: 0.9 } # tuned\n        budget: 5%\n  n: 1\n';
  assert.equal(
    editedText(block, edit),
    block.replace('budget: 5%\n', 'budget: 5%\n        calibration: { fast: [1] }\n'),
  );
  assert.equal(
    editedText('models: { m: { tiers: { escalate: { below: { fast: 0.9 } } } } }\n', edit),
    'models: { m: { tiers: { escalate: { below: { fast: 0.9 }, calibration: { fast: [1] } } } } }\n',
  );
  assert.equal(editedText('a: {}', [{ path: ['a', 'b'], yaml: '1' }]), 'a: { b: 1 }');
  assert.equal(editedText('a:\n  b: 1', [{ path: ['a', 'c'], yaml: '2' }]), 'a:\n  b: 1\n  c: 2');
});

test('a list, or a map over several lines, is replaced whole', () => {
  const text = 'a:\n  list:\n    - 1\n    - 2\n  rest: 3\n';
  const after = editedText(text, [{ path: ['a', 'list'], yaml: '[4]' }]);
  assert.match(after, /list:\s+\[4\]\s+rest: 3\n/);
});

test('the diff is one that git applies', (t) => {
  const folder = folderOf(t, 'patch');
  const lines = Array.from({ length: 20 }, (_, i) => `key${i}: ${i}`);
  for (const [at, last] of [
    [0, '\n'],
    [10, '\n'],
    [19, '\n'],
  ] as const) {
    const before = `${lines.join('\n')}${last}`;
    const after = editedText(before, [
      { path: [`key${at}`], yaml: 'changed' },
      { path: ['new'], yaml: '1' },
    ]);
    writeFileSync(join(folder, 'policy.yaml'), before);
    writeFileSync(join(folder, 'patch'), unifiedDiff('policy.yaml', before, after));
    execFileSync('git', ['apply', 'patch'], { cwd: folder });
    assert.equal(readFileSync(join(folder, 'policy.yaml'), 'utf8'), after);
  }
  assert.equal(unifiedDiff('x', 'same', 'same'), '');
});
