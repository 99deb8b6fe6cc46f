import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageReader } from './message-reader.ts';

const SIZED = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKED = 'HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';
const BARE = 'GET /ready HTTP/1.1\r\nhost: a\r\n\r\n';

test('each message is read whole, however the bytes are cut', () => {
  const bytes = Buffer.from(SIZED + CHUNKED + BARE + SIZED);
  for (let cut = 1; cut < bytes.length; cut++) {
    const starts: string[] = [];
    const reader = new MessageReader((head) => starts.push(head.slice(0, 14)));
    reader.read(bytes.subarray(0, cut));
    reader.read(bytes.subarray(cut));
    assert.deepEqual(starts, ['HTTP/1.1 200 O', 'HTTP/1.1 201 C', 'GET /ready HTT', 'HTTP/1.1 200 O'], `cut at ${cut}`);
  }
});

test('a message counts only once its whole body is here', () => {
  let count = 0;
  const reader = new MessageReader(() => {
    count++;
  });
  for (const [i, byte] of [...Buffer.from(SIZED)].entries()) {
    reader.read(Buffer.from([byte]));
    assert.equal(count, i === SIZED.length - 1 ? 1 : 0);
  }
});
