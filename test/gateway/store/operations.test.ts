import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Operations } from '../../../gateway/store/redis/operations.ts';

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

test('an operation that Redis did not answer in time is named, with what that means and what to do', () => {
  const { operations, reports } = reporting();
  operations.failed('hints_read', 'Command timed out');
  const reason =
    'Redis gave no answer in time when Sluice was to hear at once what other gateways change, so it is not known whether it did (Command timed out); look at its load and at the network';
  assert.deepEqual([reports, operations.troubles()], [[reason], [reason]]);
});

test('a connection that is back ends no refusal', () => {
  const { operations, reports } = reporting();
  operations.failed('rollouts_write', 'NOPERM this user has no permissions');
  operations.connected('control');
  assert.equal(operations.troubles().length, 1);
  operations.succeeded('rights');
  assert.deepEqual([operations.troubles(), reports.at(-1)], [[], 'recovered']);
});
