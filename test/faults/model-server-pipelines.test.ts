// What a caller of a model server sends behind good requests without waiting for their answers: these come first, in order.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { slowModel } from '../model-server/fixtures/models.ts';
import { get, metricOf, startServer } from '../model-server/fixtures/server.ts';
import { rawCaller } from '../support/raw-caller.ts';
import { until } from '../support/until.ts';

const BODY = JSON.stringify({ inputs: [{ name: 'x', shape: [1], datatype: 'FP32', data: [1] }] });
const PATH = '/v2/models/slow/infer';
const head = (length: number | string, headers: readonly string[] = [], path = PATH) =>
  [`POST ${path} HTTP/1.1`, 'Host: x', `Content-Length: ${length}`, ...headers, '', ''].join('\r\n');
const good = (id: number, ...headers: string[]) => head(BODY.length, [`x-request-id: n${id}`, ...headers]) + BODY;

async function slowServer(t: TestContext): Promise<string> {
  const { url, loaded } = await startServer(t, { 'slow/1/model.onnx': slowModel(20) });
  await loaded;
  return url;
}

/** Sends this in one go, and returns the statuses of all answers once the connection has ended. */
async function exchange(t: TestContext, url: string, bytes: string) {
  const caller = await rawCaller(t, url);
  caller.send(bytes);
  await until(() => caller.ended() !== undefined, 'the connection ends');
  assert.equal(caller.ended(), 'closed');
  const ids = [...caller.text().matchAll(/^x-request-id: n(\d+)\r$/gim)].map(([, id]) => Number(id));
  return { statuses: caller.statuses(), ids, text: caller.text() };
}

const CHUNKED = `POST ${PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`;

for (const [what, bytes, status, reason] of [
  ['bytes that are no request', 'no request\r\n\r\n', 400, 'this is not HTTP'],
  ['a body whose chunks cannot be read', `${CHUNKED}2\r\n{}zz\r\n`, 400, 'this is not HTTP'],
  [
    'a header that is too large',
    `GET / HTTP/1.1\r\nx: ${'x'.repeat(70_000)}\r\n\r\n`,
    431,
    'the header of the request',
  ],
  ['a CONNECT', 'CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n', 501, 'not implemented: the method CONNECT'],
] as const)
  test(`requests before ${what} are answered first, in order, and the refusal ends the connection`, async (t) => {
    const url = await slowServer(t);
    const { statuses, ids, text } = await exchange(t, url, good(0) + good(1) + good(2) + bytes + good(3));
    assert.deepEqual(statuses, [200, 200, 200, status]);
    assert.deepEqual(ids, [0, 1, 2]);
    assert.match(text.slice(text.lastIndexOf('\r\n\r\n')), new RegExp(`^\\r\\n\\r\\n\\{"error":"${reason}`));
  });

test('what follows a request that says it is the last is not answered, and the requests up to it are', async (t) => {
  const url = await slowServer(t);
  const { statuses, ids } = await exchange(t, url, good(0) + good(1, 'connection: close') + good(2));
  assert.deepEqual(
    [statuses, ids],
    [
      [200, 200],
      [0, 1],
    ],
  );
});

test('a request with an upgrade is answered in its turn, says that it is the last, and ends the connection', async (t) => {
  const url = await slowServer(t);
  const upgrade = good(1, 'Connection: upgrade', 'Upgrade: websocket');
  const { statuses, ids, text } = await exchange(t, url, good(0) + upgrade + good(2));
  assert.deepEqual(
    [statuses, ids],
    [
      [200, 200],
      [0, 1],
    ],
  );
  assert.equal(text.match(/^connection: close\r$/gim)?.length, 1);
});

test('answers that need no model keep their place among the others', async (t) => {
  const url = await slowServer(t);
  const expecting = good(1, 'Expect: miracles');
  const unreadable = `${head(2, [], '/v2/models/%zz/infer')}{}`;
  const all = `${good(0) + expecting + expecting + unreadable + good(2)}no request\r\n\r\n`;
  const { statuses } = await exchange(t, url, all);
  assert.deepEqual(statuses, [200, 417, 417, 400, 200, 400]);
});

test('a caller that resets its connection behind a CONNECT ends nothing but its own requests', async (t) => {
  const url = await slowServer(t);
  for (const ahead of ['', good(0), good(0) + good(1)]) {
    const caller = await rawCaller(t, url);
    caller.send(`${ahead}CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n`);
    await sleep(5);
    caller.socket.resetAndDestroy();
  }
  await until(async () => (await metricOf(url, 'queue_depth')) === 0, 'nothing waits');
  assert.equal((await get(`${url}/v2/health/live`)).status, 200);
  const held = async () => /^sluice_server_body_bytes (\d+)$/m.exec((await get(`${url}/metrics`)).text)?.[1];
  await until(async () => (await held()) === '0', 'the memory for bodies is given back');
});
