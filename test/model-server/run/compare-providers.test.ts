import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareProviders, comparisonTable } from '../../../model-server/run/compare-providers.ts';

const digits = { folder: 'config/models/digits-accurate/1', rows: [1, 4], runs: 5, request: undefined };

test('a model is measured at each batch size and does not differ from itself', async () => {
  const results = await compareProviders({ ...digits, providers: ['cpu'] });
  assert.deepEqual(
    results.map(({ provider, rows, difference }) => [provider, rows, difference]),
    [
      ['cpu', 1, 0],
      ['cpu', 4, 0],
    ],
  );
  assert.ok(results.every(({ p50Ms, p99Ms }) => p50Ms > 0 && p99Ms >= p50Ms));
  assert.match(
    comparisonTable(results),
    /^\| provider \| rows .*\n.*\n\| cpu \| 1 \| \d+\.\d+ \| .* \| 1\.00 \| 0\.0e\+0 \|/,
  );
});

test('text is compared as well', async () => {
  const results = await compareProviders({ ...digits, folder: 'config/models/spam-balanced/1', providers: ['cpu'] });
  assert.equal(results.length, 2);
});

test('a provider that cannot be used is said, never replaced', async () => {
  await assert.rejects(compareProviders({ ...digits, providers: ['cuda'] }), /^Error: provider cuda cannot be used: /);
});
