import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Upload, UploadMemory } from '../../../../gateway/receive/http/uploads.ts';

function uploads(memory: UploadMemory, count: number): { readonly all: Upload[]; readonly shed: number[] } {
  const shed: number[] = [];
  const all = Array.from({ length: count }, (_, i) => ({ held: 0, shed: () => shed.push(i) }));
  for (const upload of all) memory.begin(upload);
  return { all, shed };
}

test('when many uploads start together the oldest arrive whole and the newest are given up', () => {
  const memory = new UploadMemory(1000);
  const { all, shed } = uploads(memory, 20);
  const isGivenUp = (i: number) => shed.includes(i);
  for (let round = 0; round < 10; round++)
    all.forEach((upload, i) => {
      if (!isGivenUp(i) && !memory.hold(upload, 50)) {
        memory.release(upload);
        shed.push(i);
      }
    });
  assert.deepEqual(
    all.map(({ held }) => held),
    [500, 500, ...Array(18).fill(0)],
  );
  assert.equal(memory.hasRoomFor(1), false);
});

test('what has arrived whole is held until it is released, and is not given up for others', () => {
  const memory = new UploadMemory(100);
  const { all, shed } = uploads(memory, 2);
  const [first, second] = all as [Upload, Upload];
  assert.ok(memory.hold(second, 80));
  memory.arrived(second);
  assert.equal(memory.hold(first, 30), false);
  assert.deepEqual(shed, []);
  memory.release(second);
  memory.release(second);
  assert.ok(memory.hold(first, 100));
  memory.release(first);
  assert.ok(memory.hasRoomFor(100) && !memory.hasRoomFor(101));
});
