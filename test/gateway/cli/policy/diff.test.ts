import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeText } from '../../../../gateway/cli/policy/changes.ts';
import { diff, type ReadPolicy } from '../../../../gateway/cli/policy/diff.ts';
import { policyTree } from '../../../../gateway/cli/policy/policy-tree.ts';
import { parseWritten } from '../../../../gateway/policy/load/load.ts';
import { RICH } from '../../policy/rich-policy.ts';
import { digits, fileWith, LADDER, rollout, sluice } from '../sluice.ts';

const CALLERS = 100_000;

function read(text: string): ReadPolicy {
  const { written, policy } = parseWritten(text, 'p.yaml');
  return { policy, tree: policyTree(written, policy) };
}

function difference(old: string, now: string, callers = 1000) {
  return diff(read(old), read(now), callers, []);
}

function changes(old: string, now: string): string[] {
  return difference(old, now, 1).changes.map(changeText);
}

test('10 % to 25 % moves 15 % of the callers to the candidate and none back', () => {
  const { movements, changes, refused } = difference(digits(rollout('10%')), digits(rollout('25%')), CALLERS);
  assert.deepEqual(changes.map(changeText), ['~ models.digits.rollout.r2.share: 10 % -> 25 %']);
  assert.deepEqual(refused, []);
  const [movement] = movements;
  assert.ok(movement);
  assert.ok(Math.abs(movement.changed / CALLERS - 0.15) < 0.005, `${movement.changed}`);
  assert.deepEqual([movement.back, movement.across], [0, 0]);
  assert.equal(
    movement.flows.reduce((sum, { callers }) => sum + callers, 0),
    CALLERS,
  );
});

test('the way down moves the same callers back', () => {
  const [movement] = difference(digits(rollout('25%')), digits(rollout('10%')), CALLERS).movements;
  assert.equal(movement?.back, movement?.changed);
  assert.ok((movement?.back ?? 0) > 0);
});

function two(v2: string, v3: string, from = '50%'): string {
  const common = 'unit: header x-user-id';
  return digits(`rollout:
      - { id: r2, candidate: v2, ${common}, from: 0%, steps: [${v2}] }
      - { id: r3, candidate: v3, ${common}, from: ${from}, steps: [${v3}] }`);
}

test('two candidates ramp side by side and no caller moves back or across', () => {
  const [movement] = difference(two('5%', '5%'), two('25%', '25%'), CALLERS).movements;
  assert.ok(Math.abs((movement?.changed ?? 0) / CALLERS - 0.4) < 0.005);
  assert.deepEqual([movement?.back, movement?.across], [0, 0]);
});

test('a block that starts elsewhere would move callers, and a running gateway refuses it', () => {
  const { refused, movements } = difference(two('5%', '5%', '50%'), two('5%', '5%', '60%'), CALLERS);
  assert.match(refused[0]?.message ?? '', /rollout "r3" is running with another from/);
  assert.ok((movements[0]?.back ?? 0) > 0);
});

test('a promotion moves nobody back', () => {
  const [movement] = difference(
    digits(rollout('25%')),
    digits('').replace('baseline: v1', 'baseline: v2'),
    CALLERS,
  ).movements;
  assert.ok((movement?.changed ?? 0) > 0.7 * CALLERS);
  assert.deepEqual([movement?.back, movement?.across], [0, 0]);
});

test('a rollout that is sorted by another unit sorts everyone anew', () => {
  const by = (unit: string) => digits(`rollout: { id: r2, candidate: v2, unit: ${unit}, steps: [10%] }`);
  const [movement] = difference(by('header x-user-id'), by('header x-tenant'), CALLERS).movements;
  // 9 % of all leave the candidate's tenth and 9 % come to it.
  assert.ok(Math.abs((movement?.back ?? 0) / CALLERS - 0.09) < 0.005, `${movement?.back}`);
  assert.ok(Math.abs((movement?.changed ?? 0) / CALLERS - 0.18) < 0.007, `${movement?.changed}`);
});

test('a rollout with another id draws its callers anew', () => {
  const by = (id: string) => digits(`rollout: { id: ${id}, candidate: v2, unit: header x-user-id, steps: [10%] }`);
  const { refused, movements } = difference(by('r2'), by('r3'), CALLERS);
  assert.deepEqual(refused, []);
  assert.ok(Math.abs((movements[0]?.changed ?? 0) / CALLERS - 0.18) < 0.007, `${movements[0]?.changed}`);
});

test('a rollout that joins a list keeps its callers where the list names its salt, and is refused where not', () => {
  const single = digits('rollout: { id: r2, candidate: v2, unit: header x-user-id, steps: [10%] }');
  const list = (salt: string) =>
    digits(`rollout:
      - { id: r2, candidate: v2, unit: header x-user-id, from: 0%, steps: [10%]${salt} }
      - { id: r3, candidate: v3, unit: header x-user-id, from: 50%, steps: [10%]${salt} }`);
  const { changes, refused, movements } = difference(single, list(''), CALLERS);
  assert.ok(changes.map(changeText).includes('~ models.digits.rollout.r2.salt: digits.canary.r2 -> digits.canary'));
  assert.deepEqual(refused, [
    {
      path: 'models.digits.rollout.0',
      message:
        'rollout "r2" is running under salt digits.canary.r2; write "salt: digits.canary.r2" to keep its callers, or take a new id',
    },
  ]);
  assert.ok((movements[0]?.back ?? 0) > 0);
  const kept = difference(single, list(', salt: digits.canary.r2'), CALLERS);
  assert.deepEqual([kept.refused, kept.movements[0]?.back, kept.movements[0]?.across], [[], 0, 0]);
});

test('callers are sorted by a unit of the body, and by chance with the same draw', () => {
  const by = (unit: string, share: string) =>
    digits(`rollout: { id: r2, candidate: v2, unit: ${unit}, steps: [${share}] }`);
  for (const unit of ['body user.0.id', 'random']) {
    const [movement] = difference(by(unit, '10%'), by(unit, '20%'), CALLERS).movements;
    assert.ok(Math.abs((movement?.changed ?? 0) / CALLERS - 0.1) < 0.005, unit);
    assert.equal(movement?.back, 0, unit);
  }
});

test('a model below a ladder moves the callers of the ladder too', () => {
  const policy = digits('', LADDER);
  const now = policy.replace(
    '  large: { timeout: 50ms, versions: { v1: { servers: [a] } }, baseline: v1 }',
    '  large: { timeout: 50ms, versions: { v1: { servers: [a] }, v2: { servers: [a] } }, baseline: v2 }',
  );
  const { movements } = difference(policy, now);
  assert.deepEqual(
    movements.map(({ model, changed }) => [model, changed]),
    [
      ['large', 1000],
      ['spam', 1000],
    ],
  );
  assert.deepEqual(movements[1]?.flows, [{ from: 'accurate: large v1', to: 'accurate: large v2', callers: 1000 }]);
});

test('callers that lose their tier or are refused are counted as such', () => {
  const [tier] = difference(
    digits('', LADDER),
    digits('', LADDER.replace('{ use: accurate }', '{ use: fast }')),
  ).movements;
  assert.deepEqual([tier?.to_another_tier, tier?.back], [1000, 0]);
  const reject = 'rollout: { id: r2, candidate: v2, unit: random, without_unit: reject, steps: [10%] }';
  const [refused] = difference(digits(''), digits(reject)).movements;
  assert.equal(refused?.refused, 1000);
});

const CHANGES: readonly (readonly [string, string, string])[] = [
  ['baseline: v1', 'baseline: v2', '~ models.digits.baseline: v1 -> v2'],
  ['timeout: 500ms', 'timeout: 2s', '~ models.digits.timeout: 500ms -> 2s'],
  ['pins: any', 'pins: { header: { x-debug: on } }', '~ models.digits.pins: any -> header x-debug = "on"'],
  [
    'version: "2"',
    'version: "3"',
    '~ models.digits.versions.v2.path: /v2/models/digits/versions/2/infer -> /v2/models/digits/versions/3/infer',
  ],
  ['127.0.0.1:9101', '127.0.0.1:9102', '~ fleet.a.url: http://127.0.0.1:9101 -> http://127.0.0.1:9102'],
  ['sample: 20%', 'sample: 30%', '~ models.digits.shadow.v3.sample: 20 % -> 30 %'],
  ['below: 50', 'below: 60', '~ models.spam.tiers.rules.2: text_length < 50: use fast -> text_length < 60: use fast'],
];

for (const [from, to, line] of CHANGES)
  test(`a change is one line: ${line}`, () => {
    const old = digits('pins: any\n    shadow: [{ version: v3, sample: 20% }]', LADDER);
    assert.deepEqual(changes(old, old.replace(from, to)), [line]);
  });

/** A key of a rollout or its guards before and after, and the line that tells the change. */
const OF_ROLLOUTS: readonly (readonly [string, string, string])[] = [
  ['warm_up: 20', 'warm_up: 0', 'warm_up: 20 -> 0'],
  ['min_requests: 100', 'min_requests: 7', 'min_requests: 100 -> 7'],
  ['guard_time: 1h', 'guard_time: 2h', 'guard_time: 1h -> 2h'],
  ['rollback: {}', 'rollback: { versus_baseline: 2x }', 'rollback.versus_baseline.errors: 1.5x -> 2x'],
  ['rollback: {}', 'rollback: { versus_baseline: { latency: 3x } }', 'rollback.versus_baseline.latency: 1.2x -> 3x'],
];

for (const [from, to, line] of OF_ROLLOUTS)
  test(`a change of a rollout is one line: ${line}`, () => {
    assert.deepEqual(changes(digits(rollout('5%', `, ${from}`)), digits(rollout('5%', `, ${to}`))), [
      `~ models.digits.rollout.r2.${line}`,
    ]);
  });

test('what comes and goes is one line', () => {
  const spam = changes(digits(''), digits('', LADDER));
  assert.deepEqual(spam, [
    '+ models.small: versions v1; baseline v1',
    '+ models.large: versions v1; baseline v1',
    '+ models.spam: ladder fast (small) -> accurate (large)',
  ]);
  assert.deepEqual(
    changes(digits('', LADDER), digits('')),
    spam.map((line) => line.replace('+', '-')),
  );
});

test('other words for the same policy are no difference', () => {
  const other = RICH.replaceAll('500ms', '0.5s').replace(/^ {2}cpu-a: /m, '  # a comment\n  cpu-a:   ');
  assert.notEqual(other, RICH);
  assert.deepEqual(changes(RICH, other), []);
});

test('sluice diff shows changes and movement, and exits with 0', async (t) => {
  const old = fileWith(t, digits(rollout('10%')));
  const now = fileWith(t, digits(rollout('25%')));
  const { code, stdout, stderr } = await sluice(['diff', old, now]);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^ {2}v1 {4}-> v2 +14,\d{3} +14\.\d+ %$|^ {2}v1 {4}-> v2 +15,\d{3} +15\.\d+ %$/m);
  assert.match(
    stdout,
    /of 100,000 callers change version; 0 of them move back to the baseline, 0 between candidates or arms/,
  );
  assert.equal((await sluice(['diff', old, old])).stdout, 'no difference: the two policies mean the same\n');
  const json = JSON.parse((await sluice(['diff', old, now, '--json', '--callers', '100'])).stdout);
  assert.deepEqual([json.changes.length, json.movements[0].callers, json.refused], [1, 100, []]);
});

test('sluice diff tells a mistake in one line', async (t) => {
  const good = fileWith(t, digits(''));
  const bad = fileWith(t, digits('').replace('baseline: v1', 'baseline: v9'));
  for (const [args, code, message] of [
    [[good], 2, /^sluice: missing NEW, .*\n$/],
    [[good, bad], 1, /^sluice: .*:7:15 models\.digits\.baseline: no version "v9".*\n$/],
    [[good, good, '--model', 'digit'], 2, /^sluice: --model: no model "digit"; did you mean "digits"\?\n$/],
  ] as const) {
    const ran = await sluice(['diff', ...args]);
    assert.equal(ran.code, code);
    assert.match(ran.stderr, message);
  }
});
