import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fifo } from '../../../../gateway/forward/mirror/fifo.ts';

test('a queue gives back what came first, whatever comes and goes meanwhile', () => {
  const queue = new Fifo<number>();
  assert.deepEqual([queue.length, queue.first, queue.shift()], [0, undefined, undefined]);
  const [seen, expected]: [number[], number[]] = [[], []];
  let next = 0;
  for (let round = 0; round < 5000; round++) {
    for (let i = 0; i < round % 4; i++) queue.push(next++);
    for (let i = 0; i < (round % 3) + Number(round > 4000); i++) {
      const first = queue.first;
      const taken = queue.shift();
      assert.equal(taken, first);
      if (taken !== undefined) seen.push(taken);
    }
    assert.equal(queue.length, next - seen.length);
  }
  while (queue.length > 0) seen.push(queue.shift() as number);
  for (let i = 0; i < next; i++) expected.push(i);
  assert.deepEqual(seen, expected);
});
