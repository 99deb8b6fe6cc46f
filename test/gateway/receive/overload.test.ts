import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextLimit, Overload } from '../../../gateway/receive/overload.ts';
import { undo } from '../../support/undo.ts';
import { until } from '../../support/until.ts';

test('three late ticks in a row lower the limit to seven tenths of what is inside, and to 128 at the least', () => {
  assert.equal(nextLimit(Number.POSITIVE_INFINITY, 1000, 2), Number.POSITIVE_INFINITY);
  assert.equal(nextLimit(Number.POSITIVE_INFINITY, 1000, 3), 700);
  assert.equal(nextLimit(700, 600, 4), 420);
  assert.equal(nextLimit(150, 150, 9), 128);
  assert.equal(nextLimit(Number.POSITIVE_INFINITY, 20, 9), 128, 'so few are not the cause');
});

test('ticks in time raise it by a twentieth, until there is no limit any more', () => {
  assert.equal(nextLimit(128, 100, 0), 135);
  assert.equal(nextLimit(128, 100, 1), 128);
  let limit = 128;
  let ticks = 0;
  while (limit !== Number.POSITIVE_INFINITY) {
    limit = nextLimit(limit, 100, 0);
    ticks++;
  }
  assert.ok(ticks < 200, `${ticks} ticks of 100 ms`);
});

test('a loop that is held up lets fewer in, batch work first, and recovers when it is free', async (t) => {
  const overload = new Overload();
  undo(t, () => overload.close());
  for (let i = 0; i < 200; i++) overload.add();
  assert.equal(overload.hasRoom('live'), true);
  await until(() => {
    const busyUntil = performance.now() + 120;
    while (performance.now() < busyUntil);
    return overload.limit === 140;
  }, 'the limit falls');
  assert.equal(overload.hasRoom('live'), false);
  for (let i = 0; i < 100; i++) overload.leave();
  assert.equal(overload.hasRoom('batch'), false, 'half of the limit is as much as work that can wait may use');
  assert.equal(overload.hasRoom('live'), true);
  await until(() => overload.limit > 200, 'the limit rises again');
});
