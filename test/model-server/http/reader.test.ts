import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCall } from '../../../model-server/http/read-call.ts';
import { Reader } from '../../../model-server/http/reader.ts';
import type { Signature } from '../../../model-server/run/signature.ts';
import { undo } from '../../support/undo.ts';
import { scaleModel } from '../fixtures/models.ts';
import { get, post, startServer } from '../fixtures/server.ts';

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'FP32', shape: ['batch', 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: ['batch', 2] }],
};

/** Rows enough for a body of about 1 MB. */
const ROWS = 50_000;
const values = Array.from({ length: 2 * ROWS }, (_, index) => index + 0.5);
const v2 = JSON.stringify({
  id: 'large',
  parameters: { priority: 3, timeout: 5_000_000 },
  inputs: [{ name: 'x', shape: [ROWS, 2], datatype: 'FP32', data: values }],
  outputs: [{ name: 'y', parameters: { classification: 1 } }],
});
const v1 = JSON.stringify({ inputs: Array.from({ length: ROWS }, (_, row) => values.slice(2 * row, 2 * row + 2)) });

test('a large body is read in a thread as it would be read here', async (t) => {
  const reader = new Reader();
  undo(t, () => reader.close());
  for (const [dialect, text] of [
    ['v2', v2],
    ['v1', v1],
  ] as const) {
    const reading = () => ({ dialect, body: Buffer.from(text), jsonLength: undefined, signature });
    const read = reader.read(reading());
    assert.ok(read instanceof Promise);
    assert.deepEqual(await read, readCall(reading()));
  }
  const small = {
    dialect: 'v1',
    body: Buffer.from('{"instances":[[1,2]]}'),
    jsonLength: undefined,
    signature,
  } as const;
  assert.ok(!(reader.read(small) instanceof Promise), 'a small one is read at once');
});

test('what is wrong with a large body is said as for a small one, and the next is read', async (t) => {
  const reader = new Reader();
  undo(t, () => reader.close());
  const read = async (text: string) =>
    reader.read({ dialect: 'v2', body: Buffer.from(text), jsonLength: undefined, signature });
  await assert.rejects(read(v2.replace('[50000,2]', '[50001,2]')), {
    ending: 'bad_request',
    message: /shape \[50001,2\] holds 100002 elements, data has 100000/,
  });
  await assert.rejects(read(v2.slice(0, -1)), { ending: 'bad_request', message: /the body is not valid JSON/ });
  await assert.rejects(read('['.repeat(600_000)), { ending: 'bad_request', message: /deeper than 64/ });
  const call = await read(v2);
  assert.ok(call.dialect === 'v2' && call.id === 'large' && call.priority === 3);
});

test('large JSON is answered, and health meanwhile', async (t) => {
  const server = await startServer(t, { 'm/1/model.onnx': scaleModel(2), 'm/1/model.yaml': 'max_request_rows: 60000' });
  await server.loaded;
  const answer = post(`${server.url}/v2/models/m/infer`, v2.replace(',"outputs"', ',"other"'));
  assert.equal((await get(`${server.url}/v2/health/live`)).status, 200);
  const { status, text } = await answer;
  assert.equal(status, 200, text.slice(0, 200));
  assert.equal(JSON.parse(text).outputs[0].data.at(-1), 2 * (values.at(-1) ?? 0));
});

test('an id of 1 MB is refused and not repeated', async (t) => {
  const server = await startServer(t, { 'm/1/model.onnx': scaleModel(2) });
  await server.loaded;
  const body = { id: 'x'.repeat(1024 * 1024), inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }] };
  const answer = await post(`${server.url}/v2/models/m/infer`, body);
  assert.equal(answer.status, 400);
  assert.match(answer.text, /"id\\" must be a string of at most 1024 characters/);
  assert.ok(answer.text.length < 300);
});
