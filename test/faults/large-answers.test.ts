// Answers that are too large for their form: a limit of the model server, and no fault of the model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestError } from '../../model-server/errors.ts';
import { asTooLarge } from '../../model-server/http/tensor-text.ts';
import { encodeModel } from '../model-server/fixtures/onnx.ts';
import { post, sendBytes, startServer } from '../model-server/fixtures/server.ts';
import { gateway, infer, policyOf } from '../support/gateway.ts';

/** One number, spread over a little more than 2^24 of them. */
const spreadModel = encodeModel({
  inputs: [{ name: 'x', type: 'FP32', shape: [1] }],
  outputs: [{ name: 'y', type: 'FP32', shape: [4097, 4096] }],
  nodes: [{ op: 'Expand', inputs: ['x', 'size'], outputs: ['y'] }],
  constants: [{ name: 'size', shape: [2], data: BigInt64Array.of(4097n, 4096n) }],
});
const INPUT = { name: 'x', shape: [1], datatype: 'FP32', data: [1] };

test('an output of more elements than JSON takes is 400 and says how to get it; nothing is held against the model', async (t) => {
  const server = await startServer(t, { 'm/1/model.onnx': spreadModel });
  await server.loaded;
  const expected =
    /output \\?"y\\?" has 16781312 elements, more than 16777216: too many for a JSON answer\. Ask for it with the parameter binary_data/;
  const v2 = await post(`${server.url}/v2/models/m/infer`, { inputs: [INPUT] });
  assert.equal(v2.status, 400);
  assert.match(v2.text, expected);
  const v1 = await post(`${server.url}/v1/models/m:predict`, { inputs: [1] });
  assert.deepEqual([v1.status, expected.test(v1.text)], [400, true]);
  const request = Buffer.from(JSON.stringify({ inputs: [INPUT], parameters: { binary_data_output: true } }));
  const whole = await sendBytes(`${server.url}/v2/models/m/infer`, request);
  assert.deepEqual([whole.status, whole.binary.length], [200, 4097 * 4096 * 4]);
  const { url, adminUrl } = await gateway(t, policyOf([server.url], 'timeout: 20s'));
  for (let i = 0; i < 4; i++)
    assert.equal((await infer(url, { body: JSON.stringify({ inputs: [INPUT] }) })).status, 400);
  const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
  assert.match(metrics, /^sluice_requests_total\{model="m",version="v1",outcome="client_fault"\} 4$/m);
  const { fleet } = (await (await fetch(`${adminUrl}/api/status`)).json()) as { fleet: { s0: { standing: string } } };
  assert.equal(fleet.s0.standing, 'healthy');
  const counted = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(counted, /^sluice_server_requests_total\{model="m",version="1",outcome="answer_too_large"\} 6$/m);
});

test('outputs that are too long together are the same, and any other error stays what it is', () => {
  const tooLong = (() => {
    try {
      return 'x'.repeat(2 ** 28).repeat(4);
    } catch (error) {
      return error;
    }
  })();
  const told = asTooLarge(tooLong);
  assert.ok(told instanceof RequestError && told.ending === 'answer_too_large', String(told));
  const other = new Error('x');
  assert.equal(asTooLarge(other), other);
});
