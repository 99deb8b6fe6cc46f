import assert from 'node:assert/strict';
import { test } from 'node:test';
import { observe, UNKNOWN, valueAt } from '../../../../gateway/forward/fleet/ewma.ts';

test('the first latency is the estimate, a longer one replaces it at once', () => {
  const first = observe(UNKNOWN, 5, 0);
  assert.equal(valueAt(first, 0), 5);
  assert.equal(valueAt(observe(first, 200, 1), 1), 200);
});

test('a shorter latency pulls the estimate down with a time constant of 10 s', () => {
  const slow = observe(UNKNOWN, 200, 0);
  assert.equal(valueAt(observe(slow, 0, 0), 0), 200, 'no time has passed');
  const later = observe(slow, 0, 10_000);
  assert.ok(Math.abs(valueAt(later, 10_000) - 200 / Math.E) < 1e-9);
});

test('without news the estimate falls, so that a server once slow is asked again', () => {
  const slow = observe(UNKNOWN, 200, 0);
  assert.ok(valueAt(slow, 60_000) < 1);
  assert.ok(valueAt(slow, 1000) > 150);
});
