import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { Turns } from '../../../model-server/http/pipeline.ts';
import { refuseUnreadable } from '../../../model-server/http/unreadable.ts';
import { raw } from '../../support/raw.ts';
import { undo } from '../../support/undo.ts';

const cases: readonly [string, string, string][] = [
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout', 'the request did not arrive in time'],
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large', 'the header of the request is too large'],
  ['HPE_INVALID_METHOD', '400 Bad Request', 'this is not HTTP: the "parser" said so'],
  ['ECONNRESET', '', ''],
];

for (const [code, status, reason] of cases) {
  test(`${code} is answered with ${status || 'nothing'}`, async (t) => {
    const turns = new Turns();
    const server = createServer((socket) => {
      refuseUnreadable(Object.assign(new Error('the "parser" said so'), { code }), socket, turns);
    });
    undo(t, () => server.close());
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const text = await raw(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, '');
    const body = JSON.stringify({ error: reason });
    const head = `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close`;
    assert.equal(text, status && `HTTP/1.1 ${status}\r\n${head}\r\n\r\n${body}`);
  });
}
