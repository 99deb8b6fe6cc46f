import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Registry } from 'prom-client';
import { ROLLOUT_EVENTS } from '../../../gateway/judge/rollout/transitions.ts';
import { addRolloutMetrics, type RolloutReading } from '../../../gateway/observe/rollout-metrics.ts';

const READING: RolloutReading = {
  model: 'm',
  rollout: 'r',
  candidate: 'v2',
  phase: 'probing',
  share: 0.05,
  evidence: [{ guard: 'error_rate', part: 0.5 }],
  suspended: [
    { guard: 'error_rate', is: true },
    { guard: 'servers', is: false },
  ],
  held: [{ why: 'gave_up', is: false }],
  isUnjudged: true,
};

const MOVE = {
  kind: 'moved',
  model: 'm',
  rollout: 'r',
  candidate: 'v2',
  baseline: 'v1',
  event: 'probe',
  from: '',
  to: '',
  by: { kind: 'judge' },
  at: '',
  sentence: '',
  isUrgent: false,
  examples: [],
  isShared: true,
} as const;

test('what people watch of a rollout is exported from the start, with 0 where nothing happened', async () => {
  const registry = new Registry();
  const { moved } = addRolloutMetrics(
    registry,
    () => [READING],
    () => [READING],
    ROLLOUT_EVENTS,
  );
  const lines = async () => (await registry.metrics()).split('\n');
  const of = 'model="m",version="v2",rollout="r"';
  const counted = (event: string, count: number) =>
    `sluice_rollout_transitions_total{model="m",rollout="r",event="${event}"} ${count}`;
  const before = await lines();
  for (const event of ROLLOUT_EVENTS) assert.ok(before.includes(counted(event, 0)), event);
  for (const line of [
    `sluice_rollout_share{${of}} 0.05`,
    `sluice_rollout_phase{${of},phase="probing"} 1`,
    `sluice_rollout_suspended{${of},guard="error_rate"} 1`,
    `sluice_rollout_suspended{${of},guard="servers"} 0`,
    `sluice_rollout_held{${of},why="gave_up"} 0`,
    `sluice_rollout_unjudged{${of}} 1`,
  ])
    assert.ok(before.includes(line), line);
  moved(MOVE);
  moved({ ...MOVE, kind: 'would_move', event: 'fail' });
  const after = await lines();
  assert.ok(after.includes(counted('probe', 1)));
  assert.ok(after.includes(counted('fail', 0)), 'what a dry run would do is no move');
});
