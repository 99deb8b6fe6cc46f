import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isEnough,
  isUnanswered,
  pauseOf,
  probeBlock,
  type Seen,
  seenInProbe,
} from '../../../../gateway/judge/rollout/probe.ts';
import { type InPhase, NEW_PHASE, type Suspension } from '../../../../gateway/judge/rollout/state.ts';
import type { Block, Rollout } from '../../../../gateway/policy/policy.ts';
import { modelWith, rolloutWith } from '../setup.ts';

const PERCENT = 10_000;
const [ONE, TWO] = modelWith(`rollout: [
      { id: r, candidate: v2, unit: header u, from: 0%, steps: [5% for 1h, 20% for 1h] },
      { id: r3, candidate: v3, unit: header u, from: 40%, steps: [10% for 1h, 30% for 1h] } ]`).rollouts as [
  Rollout,
  Rollout,
];

function block(own: Block, probe: number, others: readonly Rollout[] = [ONE, TWO]): Block {
  return probeBlock(own, ONE, others, probe);
}

function overlaps(a: Block, b: Block): boolean {
  return a.from < b.to && b.from < a.to;
}

test('half of the callers ask again, others than before, and never such as another rollout may ever own', () => {
  const own = { from: 0, to: 5 * PERCENT };
  for (let probe = 1; probe <= 200; probe++) {
    const { from, to } = block(own, probe);
    assert.equal(to - from, 2.5 * PERCENT);
    assert.ok(from >= 0 && to <= 100 * PERCENT);
    assert.ok(!overlaps({ from, to }, own), `probe ${probe}: ${from} is its own`);
    assert.ok(!overlaps({ from, to }, { from: 40 * PERCENT, to: 70 * PERCENT }), `probe ${probe}: ${from} is of r3`);
  }
});

test('each probe asks others', () => {
  const blocks = [1, 2, 3, 4, 5].map((probe) => block({ from: 0, to: 5 * PERCENT }, probe));
  for (const [i, one] of blocks.entries()) for (const other of blocks.slice(i + 1)) assert.ok(!overlaps(one, other));
});

test('at most a tenth of all callers ask, and at least a hundredth, but never more than the step has', () => {
  const size = (own: Block) => {
    const { from, to } = block(own, 1);
    return (to - from) / PERCENT;
  };
  assert.equal(size({ from: 0, to: 20 * PERCENT }), 10);
  assert.equal(size({ from: 0, to: PERCENT }), 1);
  assert.equal(size({ from: 0, to: 1000 }), 0.1);
});

test('where nobody else is free, parts of its own callers ask, one after another', () => {
  const everyone = { from: 0, to: 100 * PERCENT };
  const blocks = [1, 2, 3].map((probe) => block(everyone, probe, [ONE]));
  for (const [i, one] of blocks.entries()) {
    assert.equal(one.to - one.from, 10 * PERCENT);
    for (const other of blocks.slice(i + 1)) assert.ok(!overlaps(one, other));
  }
});

test('two rollouts of a model that probe at the same time ask different callers, whichever probe each is at', () => {
  const blocks = (rollout: Rollout, own: Block) =>
    [1, 2, 3, 4, 5, 6, 7].map((probe) => probeBlock(own, rollout, [ONE, TWO], probe));
  const theirs = blocks(TWO, { from: 40 * PERCENT, to: 50 * PERCENT });
  for (const own of [
    { from: 0, to: 5 * PERCENT },
    { from: 0, to: 20 * PERCENT },
    { from: 0, to: 100 * PERCENT },
  ])
    for (const mine of blocks(ONE, own))
      for (const other of theirs) assert.ok(!overlaps(mine, other), `${mine.from} ${other.from}`);
});

test('a promotion that is probed leaves the callers of other rollouts alone', () => {
  for (let probe = 1; probe <= 20; probe++)
    assert.ok(!overlaps(block({ from: 0, to: 100 * PERCENT }, probe), { from: 40 * PERCENT, to: 70 * PERCENT }));
});

const SUSPENSION: Suspension = {
  from: { name: 'step', step: 0 },
  guard: 'errors_versus_baseline',
  sentence: '',
  rate: 0.2,
  grewMs: 0,
  units: 3,
  failedProbes: 0,
  crashes: 0,
  isNobodyElse: false,
  since: '2026-01-01T00:00:00.000Z',
};

test('the pause doubles with each probe that found the same', () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((failedProbes) =>
      pauseOf({ ...SUSPENSION, failedProbes }, rolloutWith('steps: [5%], rollback: {}')),
    ),
    [30_000, 60_000, 120_000, 240_000],
  );
});

const phase = (ms: number, trials: number, hits: number, more: Partial<InPhase> = {}): InPhase => ({
  ...NEW_PHASE,
  ms,
  judged: { trials, hits },
  ...more,
});

const seen = (ms: number, trials: number, hits: number): Seen => seenInProbe(SUSPENSION, phase(ms, trials, hits));

test('a probe has seen enough when eight failures were to be expected and a third of that or less came', () => {
  assert.equal(isEnough(SUSPENSION, seen(14_000, 100, 0)), 'not yet', 'too short');
  assert.equal(isEnough(SUSPENSION, seen(15_000, 39, 0)), 'not yet', 'too few');
  assert.equal(isEnough(SUSPENSION, seen(15_000, 40, 0)), 'passed');
  assert.equal(isEnough(SUSPENSION, seen(15_000, 60, 4)), 'passed');
  assert.equal(isEnough(SUSPENSION, seen(15_000, 60, 5)), 'not yet');
});

test('a probe is over after five minutes, or four times as long as the evidence grew, an hour at most', () => {
  const over = (grewMs: number, ms: number) => isEnough({ ...SUSPENSION, rate: 0, grewMs }, seen(ms, 100, 0));
  assert.deepEqual([over(0, 299_000), over(0, 300_000)], ['not yet', 'over']);
  assert.deepEqual([over(600_000, 2_399_000), over(600_000, 2_400_000)], ['not yet', 'over']);
  assert.deepEqual([over(9e9, 3_599_000), over(9e9, 3_600_000)], ['not yet', 'over']);
});

test('where hardly anyone asks nothing is found, and the probe waits for an hour before it gives up', () => {
  assert.equal(isEnough(SUSPENSION, seen(600_000, 0, 0)), 'not yet');
  assert.equal(isEnough(SUSPENSION, seen(3_600_000, 0, 0)), 'over');
  assert.equal(isUnanswered(seen(44_000, 0, 0)), false);
  assert.equal(isUnanswered(seen(45_000, 9, 0)), true);
  assert.equal(isUnanswered(seen(45_000, 10, 0)), false);
});

test('a candidate that was slow is asked whether it still is: answers without a failure prove nothing of that', () => {
  const slow = { ...SUSPENSION, guard: 'latency_versus_baseline', rate: 0.5 } as const;
  assert.equal(
    isEnough(slow, seenInProbe(slow, phase(20_000, 100, 0, { slow: { trials: 100, hits: 50 } }))),
    'not yet',
  );
  assert.equal(isEnough(slow, seenInProbe(slow, phase(20_000, 100, 0, { slow: { trials: 100, hits: 1 } }))), 'passed');
});

test('servers that did not answer are asked whether they do, and disagreement needs its time', () => {
  const servers = { ...SUSPENSION, guard: 'servers', rate: 0.8 } as const;
  assert.equal(isEnough(servers, seenInProbe(servers, phase(20_000, 20, 0, { serverFaults: 20 }))), 'not yet');
  assert.equal(isEnough(servers, seenInProbe(servers, phase(20_000, 20, 0))), 'passed');
  const disagreement = { ...SUSPENSION, guard: 'disagreement', rate: 0.5 } as const;
  assert.equal(isEnough(disagreement, seenInProbe(disagreement, phase(20_000, 1000, 0))), 'not yet');
  assert.equal(isEnough(disagreement, seenInProbe(disagreement, phase(300_000, 1000, 0))), 'over');
});
