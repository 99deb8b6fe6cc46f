import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAliases, readModelSettings } from '../../../model-server/repository/model-settings.ts';
import { makeRoot } from '../fixtures/models.ts';

test('without a file the defaults hold', async (t) => {
  const root = await makeRoot(t, { '1/model.onnx': '' });
  assert.deepEqual(await readModelSettings(root, '1'), {
    device: 0,
    max_request_rows: 10_000,
    max_text: 1024 ** 2,
    memory: { arena: true },
  });
  assert.deepEqual([...(await readAliases(root))], []);
});

test('everything can be said, with units; a version overrides its model key by key', async (t) => {
  const root = await makeRoot(t, {
    'model.yaml': `
aliases: { stable: 1, canary: "2" }
batching: { max_rows: 16, delay: 500us }
instances: 2
threads: 3
providers: [cuda, cpu]
require_provider: true
device: 1
queue: { max: 9, timeout: 2s, priority: 5 }
warm_up: sample.json
labels: { p: [ham, spam], q: classes.txt }
confidence: { output: p }
max_request_rows: 50
max_text: 64KiB
memory: { arena: false }
`,
    '2/model.yaml': 'batching: false\nconfidence: { output: q, as: margin }\n',
  });
  const first = await readModelSettings(root, '1');
  assert.deepEqual(first, {
    batching: { max_rows: 16, delay: 500 },
    instances: 2,
    threads: 3,
    providers: ['cuda', 'cpu'],
    require_provider: true,
    device: 1,
    queue: { max: 9, timeout: 2_000_000, priority: 5 },
    warm_up: 'sample.json',
    labels: { p: ['ham', 'spam'], q: 'classes.txt' },
    confidence: { output: 'p', as: 'max' },
    max_request_rows: 50,
    max_text: 65_536,
    memory: { arena: false },
  });
  const second = await readModelSettings(root, '2');
  assert.deepEqual(second, { ...first, batching: false, confidence: { output: 'q', as: 'margin' } });
  assert.deepEqual(
    [...(await readAliases(root))],
    [
      ['stable', '1'],
      ['canary', '2'],
    ],
  );
});

const broken: readonly [string, string, RegExp][] = [
  ['an unknown key', 'threads: 1\nthread: 2', /^model.yaml:\d+:\d+: Unrecognized key: "thread"/],
  ['a wrong type', 'threads: many', /^model.yaml:1:10 threads: Invalid input: expected number/],
  ['a time without a unit', 'queue: { timeout: 5 }', /^model.yaml:1:19 queue.timeout: .*expected string/],
  ['a time with a strange unit', 'queue: { timeout: 5h }', /expected a time with its unit/],
  ['a time that no timer can hold', 'queue: { timeout: 99999999s }', /expected at most a day/],
  ['a strange batching', 'batching: yes', /expected false, or \{ max_rows: 32, delay: 500us \}/],
  ['an unknown provider', 'providers: [gpu]', /^model.yaml:1:13 providers.0: .*"cuda"/],
  ['a provider twice', 'providers: [cpu, cpu]', /expected each provider once/],
  ['a path in place of a file', 'warm_up: ../../etc/passwd', /expected the name of a file beside model.onnx/],
  ['a library of operators', 'custom_ops: ./evil.so', /Unrecognized key: "custom_ops"/],
  ['an alias that looks like a version', 'aliases: { "3": 1 }', /Invalid key|aliases/],
  ['an alias of no version', 'aliases: { stable: latest }', /^model.yaml:1:20 aliases.stable/],
  ['an alias of a version with a zero before it', 'aliases: { stable: 010 }', /^model.yaml:1:20 YAML reads 010 as 10/],
  ['an alias of a version with an exponent', 'aliases: { stable: 1e1 }', /^model.yaml:1:20 YAML reads 1e1 as 10/],
  [
    'an alias of more digits than a number keeps',
    'aliases: { a: 12345678901234567890 }',
    /^model.yaml:1:15 YAML reads/,
  ],
  ['a list', '- threads', /^model.yaml must be a map/],
  ['nothing', '', /^model.yaml must be a map/],
  ['broken YAML', 'threads: [1', /^model.yaml:1:\d+ /],
  ['a key twice', 'threads: 1\nthreads: 2', /^model.yaml:2:1 Map keys must be unique/],
  ['an alias of YAML', 'threads: &a 1\ninstances: *a', /alias/i],
  ['too much', `threads: 1 #${'x'.repeat(70_000)}`, /not a file of at most 65536 bytes/],
];

for (const [name, text, message] of broken) {
  test(`a model.yaml with ${name} is refused with its place`, async (t) => {
    const root = await makeRoot(t, { 'model.yaml': text });
    await assert.rejects(readModelSettings(root, '1'), { message });
  });
}

test('a version may not have aliases, and its own file is the one named', async (t) => {
  const root = await makeRoot(t, { 'model.yaml': 'threads: 1', '4/model.yaml': 'threads: 1\naliases: { a: 4 }' });
  await assert.rejects(readModelSettings(root, '4'), { message: /^4\/model.yaml:\d:\d: Unrecognized key: "aliases"/ });
});
