import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planOf, timed } from '../../../../gateway/cli/policy/plan.ts';
import { endText, planText } from '../../../../gateway/cli/policy/plan-text.ts';
import { mistakesIn, mistakeText } from '../../../../gateway/cli/policy/policy-mistakes.ts';
import { PolicyError, parseWritten } from '../../../../gateway/policy/load/load.ts';
import type { Step } from '../../../../gateway/policy/policy.ts';
import { RICH } from '../../policy/rich-policy.ts';
import { digits, fileWith, rollout, sluice } from '../sluice.ts';

const MINUTE = 60_000;
const held = (share: number): Step => ({ share, until: 'held' });
const baked = (share: number, minutes: number): Step => ({ share, until: { bakeMs: minutes * MINUTE } });
const approved = (share: number): Step => ({ share, until: 'approved' });

const ENDS: readonly (readonly [readonly Step[], string])[] = [
  [[held(0.1)], 'stays at 10 %'],
  [[baked(0.1, 10)], '10 % at once, for 10m'],
  [[baked(0.01, 10), held(1)], '100 % after 10m at the earliest, and stays there'],
  [[baked(0.01, 10), baked(0.05, 60), baked(1, 1440)], '100 % after 1h 10m at the earliest, for 1d'],
  [[approved(0.01), held(1)], '100 % after 1 approval, and stays there'],
  [
    [baked(0.01, 10), approved(0.05), approved(0.25), held(0.5)],
    '50 % after 10m at the earliest, plus 2 approvals, and stays there',
  ],
];

for (const [steps, text] of ENDS)
  test(`the end of a rollout: ${text}`, () => {
    assert.equal(endText(timed(steps)), text);
  });

test('the plan of a rich policy has its rollouts, shadows, experiments and ladders', () => {
  const { written, policy } = parseWritten(RICH, 'rich.yaml');
  const plan = planOf(written, policy);
  assert.deepEqual(
    plan.rollouts.map(({ id, from, steps }) => [id, from, steps.map(({ after_ms }) => after_ms)]),
    [
      ['digits-v2', 0, [0, 10 * MINUTE, 10 * MINUTE]],
      ['digits-v3', 0.5, [0]],
    ],
  );
  assert.deepEqual(plan.shadows, [
    { model: 'digits', to: 'v2', extra: 0.2 },
    { model: 'digits', to: 'model spam-fast', extra: 0.01 },
  ]);
  const [experiment] = plan.experiments;
  assert.deepEqual([experiment?.rest, experiment?.holdout, experiment?.arms[1]?.up_to], [0.7, 0.05, 0.3]);
  assert.deepEqual(plan.ladders, [
    {
      model: 'spam',
      tiers: [
        { tier: 'fast', model: 'spam-fast' },
        { tier: 'accurate', model: 'spam-accurate' },
      ],
      rules: 3,
      no_signal: 'accurate',
    },
  ]);
});

test('a mistake is told by its place, above the line and a caret', () => {
  const error = new PolicyError(
    'p.yaml:2:8 models.x: no version "v9"\np.yaml:1:1 the policy is empty\np.yaml: and 3 more',
  );
  const mistakes = mistakesIn(error, 'p.yaml');
  assert.deepEqual(mistakes, [
    { file: 'p.yaml', line: 2, column: 8, path: 'models.x', message: 'no version "v9"' },
    { file: 'p.yaml', line: 1, column: 1, message: 'the policy is empty' },
    { file: 'p.yaml', message: 'and 3 more' },
  ]);
  assert.deepEqual(
    mistakes.map((mistake) => mistakeText(mistake, 'a:\r\n\tbase: \u001bv9\r\n')),
    [
      'p.yaml:2:8 models.x: no version "v9"\n    2 |  base:  v9\n      |        ^',
      'p.yaml:1:1 the policy is empty\n    1 | a:\n      | ^',
      'p.yaml: and 3 more',
    ],
  );
});

test('a long line is cut around the mistake', () => {
  const [mistake] = mistakesIn(new PolicyError('p:1:501 x'), 'p');
  assert.ok(mistake);
  const [, shown = '', caret = ''] = mistakeText(mistake, `${'a'.repeat(500)}B${'c'.repeat(500)}`).split('\n');
  assert.ok(shown.length < 130);
  assert.equal(shown[caret.indexOf('^')], 'B');
});

test('sluice validate answers a good policy with its plan', async () => {
  const { code, stdout, stderr } = await sluice(['validate']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^config\/policy\.yaml: ok\n2 servers, 1 model\n/);
  assert.match(stdout, /rollout digits-v2 of digits: v1 -> v2, sorted by header x-user-id\n {2}stays at 10 %/);
  assert.match(stdout, /by an edit of the policy {2}at most 250 ms/);
  assert.doesNotMatch(stdout, /warning/);
});

test('sluice validate tells the load that shadows add', async (t) => {
  const file = fileWith(t, digits('shadow: [{ version: v2, sample: 20% }]'));
  const { code, stdout } = await sluice(['validate', file]);
  assert.equal(code, 0);
  assert.match(stdout, /digits {2}\+20 % requests to v2/);
  const json = JSON.parse((await sluice(['validate', file, '--json'])).stdout);
  assert.deepEqual([json.ok, json.plan.shadows[0].extra], [true, 0.2]);
});

test('sluice validate shows every mistake of a bad policy and exits with 1', async (t) => {
  const file = fileWith(
    t,
    digits(rollout('10%')).replace('baseline: v1', 'baseline: v9').replace('candidate: v2', 'candidate: v1'),
  );
  const { code, stdout, stderr } = await sluice(['validate', file]);
  assert.deepEqual([code, stdout], [1, '']);
  assert.ok(stderr.startsWith(`${file}:7:15 models.digits.baseline: no version "v9"`), stderr);
  assert.match(stderr, /^ {4}7 \| {5}baseline: v9\n {6}\| {15}\^$/m);
  const json = await sluice(['validate', file, '--json']);
  assert.equal(json.code, 1);
  const [error] = JSON.parse(json.stdout).errors;
  assert.deepEqual([error.file, error.line, error.column, error.path], [file, 7, 15, 'models.digits.baseline']);
});

test('a file that is not there is one line', async () => {
  const { code, stderr } = await sluice(['validate', 'nowhere.yaml']);
  assert.deepEqual([code, stderr], [1, 'nowhere.yaml: no such file\n']);
});

test('the plan says what warms a candidate up, what suspends it, who asks it again, and what ends its rollout', () => {
  const text = (more: string) => {
    const { written, policy } = parseWritten(digits(rollout('5%', more)), 'p.yaml');
    return planText(planOf(written, policy));
  };
  const guarded = text(
    ', rollback: { error_rate: 2%, latency_p99: 250ms, disagreement: 3%, versus_baseline: { errors: 2x }, false_alarm: 0.5% }',
  );
  for (const line of [
    'before the first callers each server of v2 answers copies of 20 real requests, within 10s',
    'while nobody asks v1, as at a first start, there is nothing to copy: v2 begins without a warm-up',
    'suspended, all its callers on v1 at once, when v2',
    'more than 2x as often as v1 at the same time, or more often than 2 %',
    'more than 1.2x as slow as v1, or slower than 250ms in more than 1 % of its answers',
    'from v1 in 3 % more of the compared pairs than v1 from itself',
    "30s later a probe: other callers, half of the step's share (1 % to 10 % of all), ask v2 again",
    'after 4 probes that found the same without enough evidence a person decides',
    'chance that a good candidate is ever ended by this: at most 0.5 %',
  ])
    assert.ok(guarded.includes(line), `${line} in ${guarded}`);
  assert.match(
    text(', warm_up: 0'),
    /v2 gets its first callers without a warm-up\n {2}nothing watches v2: without the key `rollback`/,
  );
  const frozen = text(', rollback: { action: freeze }');
  assert.match(frozen, /held where it is, its callers on v2, when v2\n/);
  assert.doesNotMatch(frozen, /probe|differs/);
  assert.match(text(', rollback: { action: dry_run }'), /only reported, nothing moves, when v2\n/);
});
