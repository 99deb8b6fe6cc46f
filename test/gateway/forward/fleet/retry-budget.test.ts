import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RetryBudget } from '../../../../gateway/forward/fleet/retry-budget.ts';

/** Repeats granted when each of these requests asks for as many as it can get. */
function granted(share: number, requests: number): number {
  const budget = new RetryBudget(share);
  let repeats = 0;
  for (let i = 0; i < requests; i++) {
    budget.deposit();
    while (budget.withdraw()) repeats++;
  }
  return repeats;
}

test('repeats never exceed the share of the requests, beyond ten on credit', () => {
  for (const share of [0.01, 0.1, 0.2, 0.5, 1])
    for (const requests of [1, 5, 49, 50, 51, 100, 10_000]) {
      const repeats = granted(share, requests);
      assert.ok(repeats <= Math.max(10, share * requests), `${share} ${requests} ${repeats}`);
    }
  assert.equal(granted(0.2, 1), 10, 'a quiet model has its retry');
  assert.ok(granted(0.2, 10_000) >= 1990);
});

test('a share of zero allows none', () => {
  assert.equal(granted(0, 1000), 0);
});

test('a calm time saves up ten repeats and no more', () => {
  const budget = new RetryBudget(0.2);
  for (let i = 0; i < 10_000; i++) budget.deposit();
  let repeats = 0;
  while (budget.withdraw()) repeats++;
  assert.equal(repeats, 10);
});
