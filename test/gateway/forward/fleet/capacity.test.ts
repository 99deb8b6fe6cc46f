import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capacityOf } from '../../../../gateway/forward/fleet/capacity.ts';

const NAME = 'http://candidate:9101';
const ADDRESS = 'http://10.0.0.1:9101';

const at = (origin: string, wells: readonly boolean[], weight = 1) => ({
  seats: wells.map((isWell) => ({ server: { spec: { origin, weight } }, isWell: () => isWell })),
});

test('servers behind a name are enough for their weight beside that of the baseline', () => {
  const baseline = at(NAME, [true, true, true, true, false]);
  assert.equal(capacityOf(at(NAME, [true]), baseline, 0), 0.25);
  assert.equal(capacityOf(at(NAME, [true, false]), baseline, 0), 0.25);
  assert.equal(capacityOf(at(NAME, [true, true, true]), baseline, 0), 0.75);
  assert.equal(capacityOf(at(NAME, [true], 4), baseline, 0), 1);
  assert.equal(capacityOf(at(NAME, []), baseline, 0), 0);
});

test('of a fixed list that is well there is nothing more to wait for', () => {
  const baseline = at(NAME, [true, true, true, true]);
  assert.equal(capacityOf(at(ADDRESS, [true]), baseline, 0), 1);
  assert.equal(capacityOf(at(ADDRESS, [true, false]), baseline, 0), 0.25);
});

test('beside a baseline that is down any server is enough', () => {
  assert.equal(capacityOf(at(NAME, [true]), at(NAME, [false]), 0), 1);
  assert.equal(capacityOf(at(NAME, [false]), at(NAME, [false]), 0), 0);
});
