import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tap } from '../../../gateway/forward/tap.ts';

const MEBIBYTE = Buffer.alloc(1024 * 1024);

test('a tap keeps both directions whole, and gives the room back at its end', () => {
  const room = { bytes: 0, most: 100 };
  const tap = new Tap(room);
  tap.sent(Buffer.from('a'));
  tap.answered({ 'content-type': 'text/plain' });
  tap.received(Buffer.from('bc'));
  tap.sent(Buffer.from('d'));
  assert.equal(room.bytes, 4);
  tap.ended(true, 12);
  const { request, response, headers, tookMs } = tap.end() ?? {};
  assert.equal(tookMs, 12);
  assert.deepEqual(
    [request?.toString(), response?.toString(), headers],
    ['ad', 'bc', { 'content-type': 'text/plain' }],
  );
  assert.equal(room.bytes, 0);
  tap.sent(Buffer.from('late'));
  assert.equal(room.bytes, 0, 'what comes afterwards is not kept');
  assert.equal(tap.end(), undefined);
});

test('a request that did not come whole is not kept', () => {
  const room = { bytes: 0, most: 100 };
  const tap = new Tap(room);
  tap.sent(Buffer.from('half'));
  tap.ended(false, 12);
  assert.deepEqual([room.bytes, tap.isComplete, tap.end()], [0, false, undefined]);
});

test('more than four mebibytes are let go at once, and nothing further is kept', () => {
  const room = { bytes: 0, most: 64 * MEBIBYTE.length };
  const tap = new Tap(room);
  for (let i = 0; i < 4; i++) tap.received(MEBIBYTE);
  assert.equal(room.bytes, 4 * MEBIBYTE.length);
  tap.sent(Buffer.from('x'));
  assert.equal(room.bytes, 0);
  tap.received(Buffer.from('x'));
  assert.deepEqual([room.bytes, tap.end()], [0, undefined]);
});

test('a full room is shared fairly enough: who comes last is not kept, and the others are', () => {
  const room = { bytes: 0, most: 3 };
  const [first, second] = [new Tap(room), new Tap(room)];
  first.sent(Buffer.from('abc'));
  second.sent(Buffer.from('d'));
  assert.equal(second.end(), undefined);
  assert.equal(first.end()?.request.toString(), 'abc');
  assert.equal(room.bytes, 0);
});
