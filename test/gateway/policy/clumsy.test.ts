// What people mistype, paste and save: the answer names the mistake and the way out of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolicyError, parsePolicy } from '../../../gateway/policy/load/load.ts';

const GOOD = `apiVersion: sluice/v1
fleet:
  cpu-a: { url: "http://127.0.0.1:9101" }
models:
  digits:
    timeout: 500ms
    versions:
      v1: { servers: [cpu-a] }
      v2: { servers: [cpu-a] }
    baseline: v1
    rollout:
      id: digits-v2
      candidate: v2
      unit: header x-user-id
      steps: [1% for 10m, 25%]
`;

const NAME =
  'expected a name of at most 64 lower-case letters, digits, ".", "_" and "-", starting with a letter or digit';

/** What is written, in place of what, and every line of the answer. */
const CLUMSY: readonly (readonly [string, string, string, ...string[]])[] = [
  [
    'capitals in a reference',
    'candidate: v2',
    'candidate: V2',
    `p:13:18 models.digits.rollout.candidate: ${NAME}, such as v2`,
  ],
  [
    'a space in a name',
    'id: digits-v2',
    'id: digits v2',
    `p:12:11 models.digits.rollout.id: ${NAME}, such as digits-v2`,
  ],
  ['an emoji for a name', 'id: digits-v2', 'id: \u{1f680}', `p:12:11 models.digits.rollout.id: ${NAME}`],
  [
    'a number for a name',
    'id: digits-v2',
    'id: 7',
    'p:12:11 models.digits.rollout.id: expected a text; put quotes around it: "7"',
  ],
  [
    'a number with a zero at its end for a name',
    'id: digits-v2',
    'id: 1.10',
    'p:12:11 models.digits.rollout.id: expected a text; put quotes around it: "1.10"',
  ],
  [
    'True for a name',
    'candidate: v2',
    'candidate: True',
    'p:13:18 models.digits.rollout.candidate: expected a text; put quotes around it: "True"',
  ],
  [
    'true for a name',
    'candidate: v2',
    'candidate: true',
    'p:13:18 models.digits.rollout.candidate: expected a text; put quotes around it: "true"',
  ],
  [
    'a word for a list of one',
    'v2: { servers: [cpu-a] }',
    'v2: { servers: cpu-a }',
    'p:9:22 models.digits.versions.v2.servers: expected a list; put brackets around it: [cpu-a]',
  ],
  [
    'keys for a list of one',
    '    baseline: v1',
    '    shadow: { version: v2, sample: 5% }\n    baseline: v1',
    'p:10:13 models.digits.shadow: expected a list, also of one: put brackets around it',
  ],
  [
    'a list of servers',
    '  cpu-a: { url: "http://127.0.0.1:9101" }',
    '  - { name: cpu-a, url: "http://127.0.0.1:9101" }',
    'p:3:3 fleet: expected names with values, and no list',
  ],
  [
    'a key of another product',
    'rollout:',
    'canary:',
    'p:11:5 models.digits.canary: unknown key; known here: protocol, prefix, timeout, idle_timeout, idempotent, retry_budget, hedge_after, versions, baseline, pins, experiment, rollout, shadow, tiers',
  ],
  [
    'a rollout that is nothing',
    '    rollout:\n      id: digits-v2\n      candidate: v2\n      unit: header x-user-id\n      steps: [1% for 10m, 25%]\n',
    '    rollout:\n',
    'p:11:13 models.digits.rollout: expected { id, candidate, unit, steps }, or a list in which each has a block of callers',
  ],
  [
    'no space behind a colon',
    'timeout: 500ms',
    'timeout:500ms',
    'p:6:5 expected `key: value`, with a space behind the colon',
  ],
  ['an equals sign', 'timeout: 500ms', 'timeout = 500ms', 'p:6:5 expected `key: value`, with a space behind the colon'],
  [
    'two keys in one line',
    'unit: header x-user-id',
    'unit: header: x-user-id',
    'p:14:13 two keys in one line; put quotes around a text with ": " in it',
  ],
  [
    'a line too far to the right',
    'timeout: 500ms',
    'timeout: 500ms\n      idempotent: true',
    'p:6:14 the indentation does not fit the lines above',
  ],
  [
    'a merge conflict',
    '    timeout: 500ms\n',
    '<<<<<<< HEAD\n    timeout: 500ms\n=======\n    timeout: 1s\n>>>>>>> other\n',
    'p:6:1 a merge conflict that is not resolved',
  ],
  [
    'a no-break space',
    'timeout: 500ms',
    'timeout:\u00a0500ms',
    'p:6:5 expected `key: value`, with a space behind the colon (this line holds U+00A0, which only looks like a plain space)',
  ],
  [
    'a space without width',
    '500ms',
    '500ms\u200b',
    'p:6:14 models.digits.timeout: expected a duration with a unit, such as 250ms, 5s, 10m, 1h or 7d (this line holds U+200B, which only looks like a plain space)',
  ],
  [
    'typographic quotes',
    '"http://127.0.0.1:9101"',
    '\u201chttp://127.0.0.1:9101\u201d',
    'p:3:17 fleet.cpu-a.url: expected a URL such as http://127.0.0.1:9101 (this line holds U+201C, which only looks like a plain quote)',
  ],
  [
    'a full-width colon',
    'timeout: 500ms',
    'timeout\uff1a 500ms',
    'p:6:5 expected `key: value`, with a space behind the colon (this line holds U+FF1A, which only looks like a plain colon)',
  ],
  [
    'the line ends of old Macs',
    GOOD,
    GOOD.replaceAll('\n', '\r'),
    'p:1:22 a carriage return alone ends no line; save the file with LF or CRLF line ends',
  ],
  [
    'a key that would colour a terminal and break a line',
    '    baseline: v1',
    '    "\\e[31mx\\ny": 1\n    baseline: v1',
    'p:10:5 models.digits.\\u001b[31mx\\ny: unknown key; known here: protocol, prefix, timeout, idle_timeout, idempotent, retry_budget, hedge_after, versions, baseline, pins, experiment, rollout, shadow, tiers',
  ],
  ['a key of 500 letters', '  digits:', `  ${'d'.repeat(500)}:`, `p:5:3 models.${'d'.repeat(80)}...: ${NAME}`],
  [
    'a rule in the words of another product, and nothing about what a ladder never has',
    '    timeout: 500ms\n',
    '    timeout: 500ms\n    versions: { v1: { servers: [cpu-a] } }\n    baseline: v1\n  spam:\n    tiers:\n      ladder: { a: digits }\n      rules:\n        - { if: { headers: {} }, use: a }\n        - { when: { text_length: { lt: 5 } }, use: a }\n        - { when: { header: { a: { eq: 1 } }, size: 5 }, use: a }\n        - { use: a }\n  other:\n    timeout: 1s\n',
    'p:13:13 models.spam.tiers.rules.0.if: unknown key; known here: when, use',
    'p:14:36 models.spam.tiers.rules.1.when.text_length.lt: unknown key; known here: below, at_least',
    'p:15:36 models.spam.tiers.rules.2.when.header.a.eq: unknown key; known here: below, at_least, present',
    'p:15:47 models.spam.tiers.rules.2.when.size: unknown key; known here: header, parameter, body, body_bytes, text_length, complexity',
  ],
];

for (const [what, from, to, ...lines] of CLUMSY)
  test(`a policy with ${what} is told what to do`, () => {
    assert.ok(GOOD.includes(from));
    assert.deepEqual(mistakesIn(GOOD.replace(from, () => to)), lines);
  });

test('a policy after the line that begins documents, in JSON, and with tabs between words is good', () => {
  assert.deepEqual(mistakesIn(`---\n${GOOD}`), []);
  assert.deepEqual(mistakesIn(GOOD.replace('timeout: 500ms', 'timeout:\t500ms\t')), []);
  const json = {
    apiVersion: 'sluice/v1',
    fleet: { a: { url: 'http://127.0.0.1:1' } },
    models: { m: { timeout: '1s', versions: { v: { servers: ['a'] } }, baseline: 'v' } },
  };
  assert.deepEqual(mistakesIn(JSON.stringify(json)), []);
});

function mistakesIn(text: string): string[] {
  try {
    parsePolicy(text, 'p');
    return [];
  } catch (error) {
    assert.ok(error instanceof PolicyError, String(error));
    return error.message.split('\n');
  }
}
