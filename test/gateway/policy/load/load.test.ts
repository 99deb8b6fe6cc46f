import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadPolicy, PolicyError, parsePolicy } from '../../../../gateway/policy/load/load.ts';
import { pathOf } from '../../../../gateway/policy/paths.ts';
import { folderOf } from '../../../support/folder.ts';

const GOOD = `apiVersion: sluice/v1
fleet:
  cpu-a: { url: "http://127.0.0.1:9101" }
  cpu-b: { url: "https://models.test:8443", max_in_flight: 7 }
models:
  digits:
    timeout: 1.5s
    pins: any
    versions:
      v1: { servers: [cpu-a, cpu-b], model: mnist, version: "1" }
      v2: { servers: [cpu-a] }
    baseline: v1
    rollout:
      id: digits-v2
      candidate: v2
      unit: header X-User-Id
      steps: [12.5%]
`;

/** What replaces what in the good policy, and every line of the answer. */
const BAD: readonly (readonly [string, string, string, ...string[]])[] = [
  [
    'an unknown key',
    'max_in_flight',
    'max_in_fligth',
    'p:4:45 fleet.cpu-b.max_in_fligth: unknown key; did you mean "max_in_flight"?',
  ],
  [
    'an unknown key at the top',
    'models:',
    'modles:',
    'p:1:1 models: required, but missing',
    'p:5:1 modles: unknown key; did you mean "models"?',
  ],
  ['a missing key', '    baseline: v1\n', '', 'p:6:3 models.digits.baseline: required, but missing'],
  ['another API version', 'sluice/v1', 'sluice/v2', 'p:1:13 apiVersion: expected sluice/v1'],
  [
    'a duration without a unit',
    '1.5s',
    '5',
    'p:7:14 models.digits.timeout: expected a duration with a unit, such as 250ms, 5s, 10m, 1h or 7d',
  ],
  [
    'a negative duration',
    '1.5s',
    '-1s',
    'p:7:14 models.digits.timeout: expected a duration with a unit, such as 250ms, 5s, 10m, 1h or 7d',
  ],
  [
    'a duration that overflows timers',
    '1.5s',
    '30d',
    'p:7:14 models.digits.timeout: expected a duration from 1ms to 24d',
  ],
  [
    'a share without its sign',
    '12.5%',
    '12.5',
    'p:17:15 models.digits.rollout.steps.0: expected a step such as 5%, 5% for 10m or 5% until approved',
  ],
  [
    'a share above 100 %',
    '12.5%',
    '101%',
    'p:17:15 models.digits.rollout.steps.0: expected a percentage of at most 100%',
  ],
  [
    'a step without an end before another',
    '12.5%',
    '5%, 50%',
    'p:17:15 models.digits.rollout.steps.0: say when this step ends: "for 10m" or "until approved"',
  ],
  [
    'a version that does not exist',
    'baseline: v1',
    'baseline: v3',
    'p:12:15 models.digits.baseline: no version "v3"; did you mean "v1"?',
  ],
  [
    'a candidate that does not exist',
    'candidate: v2',
    'candidate: w',
    'p:15:18 models.digits.rollout.candidate: no version "w"; did you mean "v1"?',
  ],
  [
    'a candidate that is the baseline',
    'candidate: v2',
    'candidate: v1',
    'p:15:18 models.digits.rollout.candidate: "v1" is the baseline; a rollout needs another version',
  ],
  [
    'a server that does not exist',
    '[cpu-a]',
    '[cpu-c]',
    'p:11:23 models.digits.versions.v2.servers.0: no server "cpu-c" in the fleet; did you mean "cpu-a"?',
  ],
  [
    'a server listed twice',
    '[cpu-a]',
    '[cpu-a, cpu-a]',
    'p:11:30 models.digits.versions.v2.servers.1: server "cpu-a" is listed twice',
  ],
  [
    'two servers at one address',
    'https://models.test:8443',
    'http://127.0.0.1:9101',
    'p:4:17 fleet.cpu-b.url: server "cpu-a" has the same address; name a server once',
  ],
  [
    'a URL that is none',
    'http://127.0.0.1:9101',
    'nowhere',
    'p:3:17 fleet.cpu-a.url: expected a URL such as http://127.0.0.1:9101',
  ],
  [
    'a URL of another scheme',
    'http://127.0.0.1:9101',
    'file:///etc/passwd',
    'p:3:17 fleet.cpu-a.url: expected http:// or https://',
  ],
  [
    'a URL with a password',
    'http://127.0.0.1:9101',
    'http://me:secret@127.0.0.1:9101',
    'p:3:17 fleet.cpu-a.url: a URL must not carry a password',
  ],
  [
    'a URL with a path',
    'http://127.0.0.1:9101',
    'http://127.0.0.1:9101/v2',
    'p:3:17 fleet.cpu-a.url: expected scheme, host and port alone, such as http://127.0.0.1:9101',
  ],
  [
    'a number where a string is meant',
    'version: "1"',
    'version: 1',
    'p:10:61 models.digits.versions.v1.version: expected a string in quotes, such as "1"',
  ],
  [
    'a unit it does not know',
    'header X-User-Id',
    'cookie',
    'p:16:13 models.digits.rollout.unit: expected "random", "header <name>" or "body <path>", such as "header x-user-id"',
  ],
  [
    'a name in capitals',
    '  digits:',
    '  Digits:',
    'p:6:3 models.Digits: expected a name of at most 64 lower-case letters, digits, ".", "_" and "-", starting with a letter or digit, such as digits',
  ],
  ['a name that is a prototype', '  digits:', '  __proto__:', 'p:6:3 the name __proto__ is not accepted'],
  ['a duplicate key', '    pins: any', '    timeout: 2s', 'p:8:5 Map keys must be unique'],
  [
    'an alias',
    '[cpu-a] }',
    '&x [cpu-a] }\n      v3: { servers: *x }',
    'p:12:22 aliases are not accepted; write the value out',
  ],
  ['a merge key', '    pins: any', '    <<: { pins: any }', 'p:8:5 merge keys are not accepted; write the values out'],
  [
    'a directive',
    'apiVersion',
    '%YAML 1.1\n---\napiVersion',
    'p:1:1 YAML directives are not accepted; the file is always YAML 1.2',
  ],
  ['an unknown tag', 'baseline: v1', 'baseline: !label v1', 'p:12:15 Unresolved tag: !label'],
];

for (const [what, from, to, ...lines] of BAD) {
  test(`a policy with ${what} is refused with its position`, () => {
    assert.ok(GOOD.includes(from));
    assert.throws(
      () => parsePolicy(GOOD.replace(from, to), 'p'),
      (error) => {
        assert.ok(error instanceof PolicyError);
        assert.deepEqual(error.message.split('\n'), lines);
        return true;
      },
    );
  });
}

for (const [what, text] of [
  ['empty', ''],
  ['null', 'null\n'],
  ['only comments', '# nothing\n'],
] as const) {
  test(`a policy that is ${what} is refused`, () => {
    assert.throws(() => parsePolicy(text, 'p'), /^PolicyError|p:1:1 the policy is empty/);
  });
}

test('a policy that is cut short, a list or two documents is refused', () => {
  assert.throws(() => parsePolicy(GOOD.slice(0, 60), 'p'), PolicyError);
  assert.throws(() => parsePolicy('- a\n- b\n', 'p'), /p:1:1/);
  assert.throws(() => parsePolicy(`${GOOD}---\n${GOOD}`, 'p'), /p:18:1 .*multiple documents/);
});

test('a file that is missing, a folder, too large or not text is refused in one line', (t) => {
  const folder = folderOf(t, 'test');
  const file = join(folder, 'policy.yaml');
  assert.throws(() => loadPolicy(file), new PolicyError(`${file}: no such file`));
  assert.throws(() => loadPolicy(folder), new PolicyError(`${folder}: expected a file`));
  writeFileSync(file, '#'.repeat(1024 * 1024 + 1));
  assert.throws(() => loadPolicy(file), /larger than 1048576 bytes/);
  writeFileSync(file, Buffer.from([0x61, 0x0a, 0x62, 0xff, 0xfe]));
  assert.throws(
    () => loadPolicy(file),
    new PolicyError(`${file}:2:2 no UTF-8 text from here on; save the file as UTF-8`),
  );
});

test('a good policy is compiled: units, upstream paths, slots and salt', () => {
  const policy = parsePolicy(GOOD, 'p');
  const digits = policy.models.get('digits');
  assert.ok(digits?.kind === 'served');
  assert.equal(digits.timeoutMs, 1500);
  const { baseline } = digits;
  assert.equal(pathOf(baseline, 'infer'), '/v2/models/mnist/versions/1/infer');
  assert.equal(pathOf(baseline, 'predict'), '/v1/models/mnist/versions/1:predict');
  assert.equal(pathOf(baseline, 'metadata'), '/v2/models/mnist/versions/1');
  assert.equal(pathOf(baseline, 'ready'), '/v2/models/mnist/versions/1/ready');
  assert.equal(digits.versions.get('v2')?.upstream, 'models/digits');
  assert.deepEqual([...digits.pinnable.keys()].sort(), ['1', 'v1', 'v2']);
  const [rollout] = digits.rollouts;
  assert.deepEqual(rollout?.live, { from: 0, to: 125_000 });
  assert.deepEqual(rollout?.buckets, {
    salt: 'digits.canary.digits-v2',
    prefix: 'v1:digits.canary.digits-v2:',
    unit: { from: 'header', name: 'x-user-id' },
    withoutUnit: 'random',
  });
  assert.deepEqual(policy.fleet.get('cpu-b'), {
    name: 'cpu-b',
    origin: 'https://models.test:8443',
    kind: 'sluice',
    class: 'cpu',
    weight: 1,
    maxInFlight: 7,
    tls: undefined,
  });
  assert.equal(policy.fleet.get('cpu-a')?.maxInFlight, 128);
});

test('the policy that npm start serves is good', () => {
  const digits = loadPolicy('config/policy.yaml').models.get('digits');
  assert.ok(digits?.kind === 'served');
  assert.equal(digits.baseline.label, 'v1');
  assert.equal(digits.rollouts[0]?.live.to, 100_000);
});
