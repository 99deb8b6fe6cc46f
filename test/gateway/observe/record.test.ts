import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OUTCOME_CLASSES, type Outcome } from '../../../gateway/flow.ts';
import type { FaultLog } from '../../../gateway/observe/fault-log.ts';
import type { Logger } from '../../../gateway/observe/log.ts';
import { createMetrics } from '../../../gateway/observe/metrics.ts';
import { createRecorder } from '../../../gateway/observe/record.ts';

function recorder() {
  const metrics = createMetrics(
    'test',
    () => ({ sha256: 'a', mistake: undefined }),
    () => [],
  );
  const logged: string[] = [];
  const faults = { tell: (outcome: Outcome) => logged.push(outcome.class) } as unknown as FaultLog;
  const record = createRecorder(metrics, { debug() {} } as unknown as Logger, faults);
  const base = { id: 'r', model: 'm', version: 'v', why: 'baseline', server: 's', serverClass: 'cpu' } as const;
  const add = (outcome: Outcome['class'], fault?: Outcome['fault']) =>
    record({ ...base, status: 200, class: outcome, firstClass: outcome, attempts: 1, fault, latencyMs: 1 });
  return { metrics, logged, add };
}

test('failures of models and of servers, and answers over a limit of ours, are told to people, and nothing else is', () => {
  const { logged, add } = recorder();
  for (const outcome of OUTCOME_CLASSES) add(outcome);
  assert.deepEqual(logged, ['model_fault', 'server_fault', 'own_limit']);
});

test('what a caller does alone is no fault of the server that it did it to', async () => {
  const { metrics, add } = recorder();
  add('server_fault', 'unreachable');
  add('model_fault', 'deadline');
  add('client_fault', 'too_slow');
  add('client_fault', 'too_large');
  add('client_left', 'client_left');
  add('own_limit', 'answer_too_large');
  add('shed', 'answers_full');
  const lines = (await metrics.exposition())
    .split('\n')
    .filter((line) => line.startsWith('sluice_fleet_faults_total{'));
  assert.deepEqual(lines, [
    'sluice_fleet_faults_total{server="s",fault="unreachable"} 1',
    'sluice_fleet_faults_total{server="s",fault="deadline"} 1',
  ]);
});
