import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PolicyError, parsePolicy } from '../../../gateway/policy/load/load.ts';
import type { Rollout } from '../../../gateway/policy/policy.ts';

test('a rollout without rollback has no guards, and the conditions of its steps all the same', () => {
  const { guards, minRequests, guardTimeMs, maxDurationMs, maxDisagreement } = rolloutWith('steps: [5%]');
  assert.deepEqual(
    { guards, minRequests, guardTimeMs, maxDurationMs, maxDisagreement },
    {
      guards: undefined,
      minRequests: 100,
      guardTimeMs: 3_600_000,
      maxDurationMs: undefined,
      maxDisagreement: undefined,
    },
  );
});

test('an empty rollback is the guards that need no figure: against the baseline, and the breaker', () => {
  assert.deepEqual(rolloutWith('steps: [5%], rollback: {}').guards, {
    errorRate: undefined,
    latencyP99Ms: undefined,
    versusBaseline: 1.5,
    versusBaselineLatency: 1.2,
    consecutiveFailures: 10,
    pauseMs: 30_000,
    disagreement: undefined,
    falseAlarm: 0.01,
    action: 'rollback',
  });
});

test('every guard and every condition is compiled', () => {
  const rollout =
    rolloutWith(`steps: [5% for 10m, 25%], min_requests: 7, guard_time: 2h, max_duration: 7d, max_disagreement: 5%,
      rollback: { error_rate: 2%, latency_p99: 250ms, versus_baseline: 2x, consecutive_failures: 5, pause: 20s, disagreement: 3%, false_alarm: 0.1%, action: freeze }`);
  assert.deepEqual(rollout.guards, {
    errorRate: 0.02,
    latencyP99Ms: 250,
    versusBaseline: 2,
    versusBaselineLatency: 1.2,
    consecutiveFailures: 5,
    pauseMs: 20_000,
    disagreement: 0.03,
    falseAlarm: 0.001,
    action: 'freeze',
  });
  assert.deepEqual(
    [rollout.minRequests, rollout.guardTimeMs, rollout.maxDurationMs, rollout.maxDisagreement],
    [7, 7_200_000, 604_800_000, 0.05],
  );
});

/** versus_baseline, how many times as often it may fail, and how many times as slow it may be. */
const VERSUS: readonly (readonly [string, number, number])[] = [
  ['3x', 3, 1.2],
  ['{ errors: 2x, latency: 1.3x }', 2, 1.3],
  ['{ errors: 2x }', 2, 1.2],
  ['{ latency: 2x }', 1.5, 2],
];

for (const [written, errors, latency] of VERSUS)
  test(`versus_baseline: ${written} tolerates ${errors} times the errors and ${latency} times the latency`, () => {
    const { guards } = rolloutWith(`steps: [5%], rollback: { versus_baseline: ${written} }`);
    assert.deepEqual([guards?.versusBaseline, guards?.versusBaselineLatency], [errors, latency]);
  });

test('a candidate is warmed up by 20 answers unless the policy says how many', () => {
  assert.equal(rolloutWith('steps: [5%]').warmUp, 20);
  assert.equal(rolloutWith('steps: [5%], warm_up: 7').warmUp, 7);
  assert.equal(rolloutWith('steps: [5%], warm_up: 0').warmUp, 0);
});

test('a model that is not idempotent has no warm-up, for a copy would do its work twice', () => {
  assert.equal(rolloutWith('steps: [5%], warm_up: 7', 'idempotent: false').warmUp, 0);
  assert.equal(rolloutWith('steps: [5%]', 'protocol: http\n    prefix: /m').warmUp, 0);
  assert.equal(rolloutWith('steps: [5%]', 'protocol: http\n    prefix: /m\n    idempotent: true').warmUp, 20);
});

test('the block of each step grows from one place, and a holdback keeps its callers out of the last', () => {
  const { blocks, live } = rolloutWith('steps: [1% for 1m, 50% for 1m, 100%], holdback: 1%');
  assert.deepEqual(blocks, [
    { from: 0, to: 10_000 },
    { from: 0, to: 500_000 },
    { from: 0, to: 990_000 },
  ]);
  assert.deepEqual(live, blocks[0]);
});

const MISTAKES = [
  ['no risk at all', 'rollback: { false_alarm: 0% }', 'with no risk at all nothing can ever be judged'],
  ['an error rate that is no ceiling', 'rollback: { error_rate: 0% }', 'expected more than 0% and at most 90%'],
  ['an error rate above everything', 'rollback: { error_rate: 95% }', 'expected more than 0% and at most 90%'],
  ['an action that is none', 'rollback: { action: explode }', 'rollback.action: expected rollback, freeze or dry_run'],
  ['no requests', 'min_requests: 0', 'expected at least 1'],
  ['a warm-up of less than nothing', 'warm_up: -1', 'expected at least 0'],
] as const;

for (const [what, keys, message] of MISTAKES) {
  test(`a rollout with ${what} is refused`, () => {
    assert.throws(
      () => rolloutWith(`steps: [5%], ${keys}`),
      (error) => error instanceof PolicyError && error.message.includes(message),
    );
  });
}

function rolloutWith(keys: string, ofModel = ''): Rollout {
  const model = policyWith(keys, ofModel).models.get('m');
  const [rollout] = model?.kind === 'served' ? model.rollouts : [];
  assert.ok(rollout);
  return rollout;
}

function policyWith(keys: string, ofModel: string) {
  return parsePolicy(
    `apiVersion: sluice/v1
fleet: { s: { url: "http://127.0.0.1:9" } }
models:
  m:
    timeout: 1s
    ${ofModel}
    versions: { v1: { servers: [s] }, v2: { servers: [s] } }
    baseline: v1
    rollout: { id: r, candidate: v2, unit: header u, ${keys} }
`,
    'p',
  );
}
