import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atMostEvery } from '../../../gateway/store/at-most-every.ts';

test('a flood of calls runs once at once, once in each period, and once after the last call', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let runs = 0;
  const call = atMostEvery(50, () => runs++);
  for (let i = 0; i < 1000; i++) call();
  assert.equal(runs, 1);
  t.mock.timers.tick(50);
  assert.equal(runs, 2, 'what came in meanwhile');
  t.mock.timers.tick(50);
  assert.equal(runs, 2, 'nothing came in');
  call();
  assert.equal(runs, 3, 'a call after a pause runs at once');
  for (let period = 0; period < 10; period++) {
    for (let i = 0; i < 100; i++) call();
    t.mock.timers.tick(50);
  }
  assert.equal(runs, 13);
});
