import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Operations } from '../../../../gateway/observe/store/redis/operations.ts';

/** Operations, and everything that they reported in turn. */
function reporting(): { operations: Operations; reports: string[] } {
  const reports: string[] = [];
  const operations = new Operations({
    onTrouble: ({ message }) => reports.push(message),
    onRecovered: () => reports.push('recovered'),
    rightsOf: () => '+all',
  });
  return { operations, reports };
}

test('the end of an outage is reported once, when the last connection is back', () => {
  const { operations, reports } = reporting();
  operations.failed('rollouts_read', 'Connection is closed.');
  operations.failed('records_write', 'Connection is closed.');
  operations.connected('write');
  assert.deepEqual(reports, ['Connection is closed.']);
  operations.connected('control');
  operations.succeeded('rollouts_read');
  operations.connected('hints');
  assert.deepEqual(reports, ['Connection is closed.', 'recovered']);
});

test('a connection that is back ends no refusal', () => {
  const { operations, reports } = reporting();
  operations.failed('rollouts_write', 'NOPERM this user has no permissions');
  operations.connected('control');
  assert.equal(operations.troubles().length, 1);
  operations.succeeded('rights');
  assert.deepEqual([operations.troubles(), reports.at(-1)], [[], 'recovered']);
});
