import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf, unitIdIn } from '../../../gateway/decide/bucket.ts';
import { decide } from '../../../gateway/decide/decide.ts';
import type { Facts } from '../../../gateway/flow.ts';
import type { Model } from '../../../gateway/policy/policy.ts';
import { modelOf, request, tierIn } from './setup.ts';

/** The field's usual example: enterprise gets the accurate tier; short and not too demanding the fast one. */
const USUAL = ladder(`
      rules:
        - { when: { header: { x-customer-tier: enterprise } }, use: accurate }
        - { when: { text_length: { below: 50 }, body: { confidence_threshold: { below: 0.9 } } }, use: fast }
        - { use: balanced }`);

const text = (length: number, threshold?: unknown) => ({
  inputs: [{ name: 'text', shape: [1], datatype: 'BYTES', data: ['x'.repeat(length)] }],
  ...(threshold === undefined ? {} : { confidence_threshold: threshold }),
});

/** What is sent, and the tier. */
const EXAMPLES: readonly (readonly [string, Facts['headers'], unknown, string])[] = [
  ['an enterprise customer', { 'x-customer-tier': 'enterprise' }, text(10, 0.5), 'accurate'],
  ['an enterprise customer without a body', { 'x-customer-tier': 'enterprise' }, undefined, 'accurate'],
  ['another customer', { 'x-customer-tier': 'free' }, text(10, 0.5), 'fast'],
  ['a customer in other letters', { 'x-customer-tier': 'Enterprise' }, text(10, 0.5), 'fast'],
  ['no customer', {}, text(10, 0.5), 'fast'],
  ['49 characters', {}, text(49, 0.5), 'fast'],
  ['50 characters', {}, text(50, 0.5), 'balanced'],
  ['a threshold of 0.89', {}, text(10, 0.89), 'fast'],
  ['a threshold of 0.9', {}, text(10, 0.9), 'balanced'],
  ['a threshold of 0', {}, text(10, 0), 'fast'],
  ['a threshold below 0', {}, text(10, -1), 'fast'],
  ['no threshold', {}, text(10), 'balanced'],
  ['a threshold that is null', {}, text(10, null), 'balanced'],
  ['a threshold in quotes', {}, text(10, '0.5'), 'fast'],
  ['a threshold in quotes that is high', {}, text(10, '0.95'), 'balanced'],
  ['a threshold that is a word', {}, text(10, 'low'), 'balanced'],
  ['a threshold that is an empty text', {}, text(10, ''), 'balanced'],
  ['a threshold that is true', {}, text(10, true), 'balanced'],
  ['a threshold that is a list', {}, text(10, [0.5]), 'balanced'],
  ['a threshold that is NaN in quotes', {}, text(10, 'NaN'), 'balanced'],
  ['a threshold that is a bare NaN', {}, raw('{"inputs": ["short"], "confidence_threshold": NaN}'), 'balanced'],
  ['a threshold that is infinitely low', {}, raw('{"inputs": ["short"], "confidence_threshold": -1e400}'), 'balanced'],
  ['no text', {}, { inputs: [], confidence_threshold: 0.5 }, 'balanced'],
  ['an empty text', {}, text(0, 0.5), 'balanced'],
  ['numbers alone', {}, { inputs: [{ data: [1, 2] }], confidence_threshold: 0.5 }, 'balanced'],
  ['v1 instances', {}, { instances: ['short'], confidence_threshold: 0.5 }, 'fast'],
  ['49 characters beyond the basic plane', {}, { instances: ['😀'.repeat(49)], confidence_threshold: 0.5 }, 'fast'],
  [
    'two texts of 25 characters',
    {},
    { instances: ['x'.repeat(25), 'x'.repeat(25)], confidence_threshold: 0.5 },
    'balanced',
  ],
  ['a body that is no JSON', {}, raw('{"inputs": '), 'balanced'],
  ['no body', {}, undefined, 'balanced'],
];

for (const [what, headers, body, tier] of EXAMPLES) {
  test(`in the usual example ${what} gets the ${tier} tier`, () => {
    assert.equal(tierIn(decide(USUAL, request(headers, body), 0)), tier);
  });
}

test('the tier is told with the rule, the model and the version that answer', () => {
  assert.deepEqual(decide(USUAL, request({ 'x-customer-tier': 'enterprise' }), 0), {
    kind: 'serve',
    model: 'spam-accurate',
    version: 'v1',
    tier: 'accurate',
    why: 'rule 1: tier accurate; baseline',
  });
});

test('the first rule that holds decides, whatever stands behind it', () => {
  const rules = ['fast', 'accurate'].map((use) => `- { when: { header: { x-a: "1" } }, use: ${use} }`);
  for (const [order, tier] of [
    [rules, 'fast'],
    [rules.toReversed(), 'accurate'],
  ] as const) {
    const model = ladder(
      `\n      rules:\n${[...order, '- { use: balanced }'].map((rule) => `        ${rule}\n`).join('')}`,
    );
    assert.equal(tierIn(decide(model, request({ 'x-a': '1' }), 0)), tier);
    assert.equal(tierIn(decide(model, request({ 'x-a': '2' }), 0)), 'balanced');
  }
});

const SCORED = ladder(`
      complexity: { text_length: { high: 100 } }
      no_signal: balanced
      rules:
        - { when: { header: { x-customer-tier: enterprise } }, use: accurate }
        - { when: { header: { x-kind: known }, complexity: { below: 0.3 } }, use: fast }
        - { when: { complexity: { below: 0.3 } }, use: fast }
        - { use: accurate }`);

test('a request without a signal goes to the tier of no_signal, and never silently to the cheapest', () => {
  const noSignal = [
    undefined,
    raw('garbage'),
    raw('[1, 2'),
    raw('\x1f\x8b\x08\0'),
    {},
    { inputs: [] },
    { inputs: [''] },
    5,
    'x',
    null,
  ];
  for (const body of noSignal) {
    const decision = decide(SCORED, request({}, body), 0);
    assert.equal(tierIn(decision), 'balanced', JSON.stringify(body));
    assert.match(decision.why, /^no signal: tier balanced/);
  }
});

test('a rule that holds before complexity is asked for, or fails before it, needs no signal', () => {
  assert.equal(tierIn(decide(SCORED, request({ 'x-customer-tier': 'enterprise' }), 0)), 'accurate');
  const model = ladder(`
      complexity: { text_length: { high: 100 } }
      no_signal: balanced
      rules:
        - { when: { header: { x-kind: known }, complexity: { below: 0.3 } }, use: fast }
        - { use: accurate }`);
  assert.equal(tierIn(decide(model, request({}), 0)), 'accurate');
  assert.equal(tierIn(decide(model, request({ 'x-kind': 'known' }), 0)), 'balanced');
});

test('complexity decides at its boundary: 29 of 100 characters are below 0.3 and 30 are not', () => {
  assert.equal(tierIn(decide(SCORED, request({}, text(29)), 0)), 'fast');
  assert.equal(tierIn(decide(SCORED, request({}, text(30)), 0)), 'accurate');
});

test('a look at a ladder shows the tier of the rule that always holds', () => {
  for (const call of ['metadata', 'ready'] as const)
    assert.equal(tierIn(decide(SCORED, request({}, undefined, { call }), 0)), 'accurate');
});

test('a ladder has no versions to pin', () => {
  const decision = decide(SCORED, request({}, undefined, { pin: 'v1' }), 0);
  assert.deepEqual([decision.kind, decision.kind === 'refuse' && decision.refusal], ['refuse', 'unknown_version']);
});

test("a tier's own rollout and experiment take part, and a request they turn away is turned away", () => {
  const model = modelOf(
    `  a: { timeout: 1s, versions: { v1: { servers: [s] }, v2: { servers: [s] } }, baseline: v1,
       rollout: { id: r, candidate: v2, unit: header u, without_unit: reject, steps: [100%] } }
  l: { tiers: { ladder: { only: a }, rules: [{ use: only }] } }\n`,
    'l',
  );
  assert.deepEqual(decide(model, request({ u: 'x' }), 0), {
    kind: 'serve',
    model: 'a',
    version: 'v2',
    tier: 'only',
    why: 'rule 1: tier only; rollout r',
    sorted: { rollout: 'r', unit: 'x', unitId: unitIdIn(digestOf('v1:a.canary.r:', 'x')), view: 0 },
  });
  assert.deepEqual(decide(model, request({}), 0), {
    kind: 'refuse',
    refusal: 'no_unit',
    why: 'rollout r',
    missed: { unit: 'absent' },
  });
});

test('every rule that is looked at is told, and none behind the one that holds', () => {
  const told: string[] = [];
  decide(USUAL, request({}, text(10, 0.5)), 0, (what, result) => told.push(`${what}: ${result}`));
  assert.deepEqual(told.slice(0, 5), [
    'rule 1, header x-customer-tier: absent',
    'rule 1: does not hold',
    'rule 2, body confidence_threshold: 0.5',
    'rule 2, text_length: 10',
    'rule 2: holds: tier fast',
  ]);
  assert.ok(told.every((line) => !line.startsWith('rule 3')));
});

function raw(body: string): Buffer {
  return Buffer.from(body, 'latin1');
}

function ladder(rest: string): Model {
  const models = ['fast', 'balanced', 'accurate'].map(
    (tier) => `  spam-${tier}: { timeout: 1s, versions: { v1: { servers: [s] } }, baseline: v1 }\n`,
  );
  const rungs = '{ fast: spam-fast, balanced: spam-balanced, accurate: spam-accurate }';
  return modelOf(`${models.join('')}  spam:\n    tiers:\n      ladder: ${rungs}${rest}\n`, 'spam');
}
