import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Line } from '../../../gateway/forward/line.ts';

test('a line gives back what came first, whatever comes and goes meanwhile', () => {
  const line = new Line<number>();
  assert.deepEqual([line.length, line.first, line.shift()], [0, undefined, undefined]);
  const [seen, expected]: [number[], number[]] = [[], []];
  let next = 0;
  for (let round = 0; round < 5000; round++) {
    for (let i = 0; i < round % 4; i++) line.push(next++);
    for (let i = 0; i < (round % 3) + Number(round > 4000); i++) {
      const first = line.first;
      const taken = line.shift();
      assert.equal(taken, first);
      if (taken !== undefined) seen.push(taken);
    }
    assert.equal(line.length, next - seen.length);
  }
  while (line.length > 0) seen.push(line.shift() as number);
  for (let i = 0; i < next; i++) expected.push(i);
  assert.deepEqual(seen, expected);
});
