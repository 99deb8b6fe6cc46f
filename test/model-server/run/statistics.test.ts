import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Statistics } from '../../../model-server/run/statistics.ts';

const execution = { succeeded: true, requests: 2, rows: 3, joinSeconds: 0.001, runSeconds: 0.01, splitSeconds: 0.002 };

test('requests, rows and executions are counted apart, with the time of each', () => {
  const statistics = new Statistics();
  statistics.executed(execution, 1000);
  statistics.executed({ ...execution, requests: 1, rows: 1, runSeconds: 0.005 }, 2000);
  statistics.executed({ ...execution, succeeded: false }, 3000);
  for (const total of [0.02, 0.03, 0.04]) {
    statistics.succeeded(0.004, total);
  }
  statistics.failed(0.5);
  const none = { count: 0, ns: 0 };
  assert.deepEqual(statistics.toModelStatistics('m', '1', 77), {
    name: 'm',
    version: '1',
    last_inference: 2000,
    inference_count: 4,
    execution_count: 2,
    inference_stats: {
      success: { count: 3, ns: 90_000_000 },
      fail: { count: 1, ns: 500_000_000 },
      queue: { count: 3, ns: 12_000_000 },
      compute_input: { count: 2, ns: 2_000_000 },
      compute_infer: { count: 2, ns: 15_000_000 },
      compute_output: { count: 2, ns: 4_000_000 },
      cache_hit: none,
      cache_miss: none,
    },
    response_stats: {},
    batch_stats: [
      {
        batch_size: 1,
        compute_input: { count: 1, ns: 1_000_000 },
        compute_infer: { count: 1, ns: 5_000_000 },
        compute_output: { count: 1, ns: 2_000_000 },
      },
      {
        batch_size: 3,
        compute_input: { count: 1, ns: 1_000_000 },
        compute_infer: { count: 1, ns: 10_000_000 },
        compute_output: { count: 1, ns: 2_000_000 },
      },
    ],
    memory_usage: [{ type: 'CPU', id: 0, byte_size: 77 }],
  });
});

test('batch sizes beyond the bound are counted together, and no execution is lost', () => {
  const statistics = new Statistics();
  for (let rows = 1; rows <= 5000; rows++) statistics.executed({ ...execution, rows }, rows);
  const { batch_stats, execution_count } = statistics.toModelStatistics('m', '1', 77);
  assert.ok(batch_stats.length <= 257);
  assert.equal(execution_count, 5000);
  assert.equal(batch_stats.find(({ batch_size }) => batch_size === 0)?.compute_infer.count, 5000 - 256);
});
