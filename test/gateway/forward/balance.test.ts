import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choose, type Load } from '../../../gateway/forward/balance.ts';
import { afterFailure, HEALTHY, type Health, standing } from '../../../gateway/forward/health.ts';

type Named = Load & { readonly name: string };

const server = (name: string, inFlight = 0, health: Health = HEALTHY): Named => ({
  name,
  inFlight,
  maxInFlight: 10,
  health,
});
const ejectedUntil = (until: number): Health => ({ failures: 3, ejectedUntil: until });

/** How often each server is chosen over an even grid of draws. */
function shares(servers: readonly Named[], now = 0): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let i = 0; i < 600; i++) {
    const draws = [(i % 30) / 30, Math.floor(i / 30) / 20];
    const name = choose(servers, now, () => draws.shift() ?? 0)?.name ?? 'none';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

test('equal servers share evenly', () => {
  assert.deepEqual(shares([server('a'), server('b'), server('c')]), { a: 200, b: 200, c: 200 });
});

test('the less loaded of two is chosen, so the most loaded of three gets nothing', () => {
  assert.equal(shares([server('a', 5), server('b', 1), server('c', 2)]).a, undefined);
});

test('a server at its cap is left out, and when all are there is no choice', () => {
  assert.deepEqual(shares([server('a', 10), server('b', 9)]), { b: 600 });
  assert.deepEqual(shares([server('a', 10)]), { none: 600 });
});

test('an ejected server gets nothing until its time is over, then one request at a time', () => {
  const b = server('b');
  assert.deepEqual(shares([server('a', 0, ejectedUntil(100)), b], 99), { b: 600 });
  assert.deepEqual(shares([server('a', 0, ejectedUntil(100)), b], 100), { a: 600 });
  assert.deepEqual(shares([server('a', 1, ejectedUntil(100)), b], 100), { b: 600 });
});

test('when every server is ejected all are tried', () => {
  assert.deepEqual(shares([server('a', 0, ejectedUntil(100)), server('b', 0, ejectedUntil(100))]), { a: 300, b: 300 });
});

test('when the healthy servers are at their cap there is no choice: a broken one does not get their overflow', () => {
  assert.deepEqual(shares([server('a', 10), server('b', 1, ejectedUntil(100))]), { none: 600 });
});

test('ejection starts at the third failure in a row, doubles with each failed probe, and stays at most 30 s', () => {
  let health = HEALTHY;
  let now = 1000;
  const lengths = Array.from({ length: 10 }, () => {
    health = afterFailure(health, now);
    const length = Math.max(0, health.ejectedUntil - now);
    now += length;
    return length;
  });
  assert.deepEqual(lengths, [0, 0, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  assert.equal(standing(health, now - 1), 'ejected');
  assert.equal(standing(health, now), 'probing');
});

test('requests that were in flight when a server was ejected do not lengthen its ejection', () => {
  let health = HEALTHY;
  for (let i = 0; i < 10; i++) health = afterFailure(health, 1000 + i);
  assert.deepEqual(health, { failures: 3, ejectedUntil: 2002 });
});
