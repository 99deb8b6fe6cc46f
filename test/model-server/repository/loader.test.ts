import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { ProviderError } from '../../../model-server/errors.ts';
import { startModelServer } from '../../../model-server/main.ts';
import { isOfTheModel } from '../../../model-server/run/warm-up.ts';
import { makeRoot, rowsModel, scaleModel, slowModel, softmaxModel, tableModel } from '../fixtures/models.ts';
import { get, metricOf, post, sendBytes, startServer } from '../fixtures/server.ts';

const row = (...data: number[]) => ({ inputs: [{ name: 'x', shape: [data.length / 2, 2], datatype: 'FP32', data }] });

test('a model that names a batch is batched only if it was seen to treat it as one', async (t) => {
  const server = await startServer(t, {
    'good/1/model.onnx': scaleModel(2),
    'odd/1/model.onnx': rowsModel,
    'off/1/model.onnx': scaleModel(2),
    'off/1/model.yaml': 'batching: false',
    'small/1/model.onnx': scaleModel(2),
    'small/model.yaml': 'batching: { max_rows: 4, delay: 200us }',
  });
  await server.loaded;
  for (const [model, rows] of [
    ['good', 32],
    ['odd', 1],
    ['off', 1],
    ['small', 4],
  ] as const) {
    const { parameters } = JSON.parse((await get(`${server.url}/v2/models/${model}`)).text);
    assert.equal(parameters.batch_rows, rows, model);
  }
});

const refusals: readonly [string, Record<string, Buffer | string>, RegExp][] = [
  [
    'a batching that the model cannot do',
    { 'model.yaml': 'batching: { max_rows: 8 }', 'model.onnx': slowModel(1) },
    /batching: not every input and output of the model begins with a size that varies/,
  ],
  ['labels for no output', { 'model.yaml': 'labels: { q: [a, b] }' }, /labels: the model has no output "q"/],
  ['a label too few', { 'model.yaml': 'labels: { y: [a] }' }, /labels: output "y" has 2 classes, there are 1 labels/],
  ['a label too many', { 'model.yaml': 'labels: { y: l.txt }', 'l.txt': 'a\nb\nc\n' }, /there are 3 labels/],
  ['no label file', { 'model.yaml': 'labels: { y: l.txt }' }, /labels: there is no file l.txt beside model.onnx/],
  ['confidence in no output', { 'model.yaml': 'confidence: { output: q }' }, /confidence: the model has no output "q"/],
  ['no warm-up file', { 'model.yaml': 'warm_up: w.json' }, /warm_up: there is no file w.json/],
  [
    'a warm-up that does not fit',
    { 'model.yaml': 'warm_up: w.json', 'w.json': '{}' },
    /w.json: "inputs" must be an array/,
  ],
  ['a mistake in model.yaml', { 'model.yaml': 'thread: 1' }, /^1\/model.yaml:1:1: Unrecognized key: "thread"/],
];

test('a version whose model.yaml does not fit its model is not ready and says why', async (t) => {
  const files = refusals.flatMap(([, own], index) =>
    Object.entries({ 'model.onnx': scaleModel(2), ...own }).map(([name, content]) => [`m${index}/1/${name}`, content]),
  );
  const server = await startServer(t, Object.fromEntries(files));
  await server.loaded;
  for (const [index, [name, , reason]] of refusals.entries()) {
    const state = JSON.parse((await get(`${server.url}/v2/models/m${index}/ready`)).text);
    assert.match(state.reason ?? '', reason, name);
  }
});

test('a warm-up sample must run', async (t) => {
  const sample = (index: number) =>
    JSON.stringify({ inputs: [{ name: 'x', shape: [1], datatype: 'INT64', data: [index] }] });
  const server = await startServer(t, {
    'good/1/model.onnx': tableModel,
    'good/1/model.yaml': 'warm_up: sample.json',
    'good/1/sample.json': sample(2),
    'bad/1/model.onnx': tableModel,
    'bad/1/model.yaml': 'warm_up: sample.json',
    'bad/1/sample.json': sample(9),
  });
  await server.loaded;
  assert.equal((await get(`${server.url}/v2/models/good/ready`)).status, 200);
  const bad = await get(`${server.url}/v2/models/bad/ready`);
  assert.equal(bad.status, 503);
  assert.match(bad.text, /warm_up: sample.json failed: .*out of data bounds/);
});

test('an answer carries the confidence of its least sure row, as a parameter and as a header', async (t) => {
  const server = await startServer(t, {
    'm/1/model.onnx': softmaxModel,
    'm/1/model.yaml': 'confidence: { output: p }\nlabels: { p: [ham, spam] }',
    'plain/1/model.onnx': softmaxModel,
  });
  await server.loaded;
  const url = `${server.url}/v2/models/m/infer`;
  const sure = 1 / (1 + Math.exp(-3));
  const unsure = 1 / (1 + Math.exp(-1));
  const answer = await post(url, row(0, 3, 1, 0));
  const body = JSON.parse(answer.text);
  assert.ok(Math.abs(body.parameters.confidence - unsure) < 1e-6);
  assert.equal(answer.headers.get('x-sluice-confidence'), String(body.parameters.confidence));
  const other = await post(url, { ...row(0, 3), outputs: [{ name: 'x2' }] });
  assert.ok(
    Math.abs(JSON.parse(other.text).parameters.confidence - sure) < 1e-6,
    'also when its output is not asked for',
  );
  assert.deepEqual(JSON.parse(other.text).outputs.length, 1);
  const v1 = await post(`${server.url}/v1/models/m:predict`, { instances: [[0, 3]] });
  assert.ok(Math.abs(Number(v1.headers.get('x-sluice-confidence')) - sure) < 1e-6);
  const nan = await post(url, '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[NaN,1]}]}');
  assert.deepEqual([nan.status, nan.headers.get('x-sluice-confidence')], [200, null], 'NaN is no confidence');
  const plain = await post(`${server.url}/v2/models/plain/infer`, row(0, 3));
  assert.equal('parameters' in JSON.parse(plain.text), false);
});

test('a classification answers the largest classes with their labels, in JSON and in bytes', async (t) => {
  const server = await startServer(t, {
    'm/1/model.onnx': scaleModel(1),
    'm/1/model.yaml': 'labels: { y: [ham, spam] }',
  });
  await server.loaded;
  const url = `${server.url}/v2/models/m/infer`;
  const outputs = [{ name: 'y', parameters: { classification: 2 } }];
  const answer = JSON.parse((await post(url, { ...row(1, 3), outputs })).text);
  assert.deepEqual(answer.outputs, [{ name: 'y', datatype: 'BYTES', shape: [1, 2], data: ['3:1:spam', '1:0:ham'] }]);
  const binary = await sendBytes(
    url,
    Buffer.from(
      JSON.stringify({ ...row(1, 3), outputs: [{ name: 'y', parameters: { classification: 1, binary_data: true } }] }),
    ),
  );
  assert.equal(binary.binary.toString('latin1'), '\b\0\0\u00003:1:spam');
});

test('a request of too many rows or too long a text is 413 and says what is possible', async (t) => {
  const server = await startServer(t, { 'm/1/model.onnx': scaleModel(2), 'm/1/model.yaml': 'max_request_rows: 3' });
  await server.loaded;
  const large = await post(`${server.url}/v2/models/m/infer`, row(1, 2, 3, 4, 5, 6, 7, 8));
  assert.equal(large.status, 413);
  assert.match(large.text, /a request may have 3 rows, this one has 4: send it in parts/);
});

test('a provider that cannot be loaded gives way to the next, and metadata and metrics tell which one runs', async (t) => {
  const server = await startServer(t, {
    'm/1/model.onnx': scaleModel(2),
    'm/1/model.yaml': 'providers: [cuda, webgpu, cpu]',
  });
  await server.loaded;
  const { parameters } = JSON.parse((await get(`${server.url}/v2/models/m`)).text);
  assert.equal(parameters.provider, 'cpu');
  assert.match((await get(`${server.url}/metrics`)).text, /sluice_server_provider\{.*provider="cpu"\} 1/);
  assert.equal((await post(`${server.url}/v2/models/m/infer`, row(1, 2))).status, 200);
});

test('a version that requires its provider is not ready without it; others serve', async (t) => {
  const server = await startServer(t, {
    'm/1/model.onnx': scaleModel(2),
    'm/1/model.yaml': 'providers: [cuda, cpu]\nrequire_provider: true',
    'only/1/model.onnx': scaleModel(2),
    'only/1/model.yaml': 'providers: [cuda]',
    'n/1/model.onnx': scaleModel(2),
  });
  await server.loaded;
  assert.match(
    (await get(`${server.url}/v2/models/m/ready`)).text,
    /provider cuda is required: fell back to cpu, for cuda: /,
  );
  const only = await get(`${server.url}/v2/models/only/ready`);
  assert.equal(only.status, 503);
  assert.doesNotMatch(only.text, /"reason":"loading/);
  assert.equal((await get(`${server.url}/v2/health/ready`)).status, 200);
});

test('a server that requires its provider closes instead of falling back', async (t) => {
  const models = await makeRoot(t, { 'm/1/model.onnx': scaleModel(2) });
  const server = await startModelServer({
    models,
    port: 0,
    providers: ['cuda', 'cpu'],
    requireProvider: true,
    logger: pino({ level: 'silent' }),
  });
  await assert.rejects(server.loaded, ProviderError);
  await assert.rejects(get(`${server.url}/v2/health/live`));
});

test('two instances answer at the same time and count twice in memory', async (t) => {
  const server = await startServer(t, { 'm/1/model.onnx': scaleModel(2), 'm/1/model.yaml': 'instances: 2' });
  await server.loaded;
  const { parameters } = JSON.parse((await get(`${server.url}/v2/models/m`)).text);
  assert.equal(parameters.instances, 2);
  assert.equal(await metricOf(server.url, 'model_bytes'), 2 * parameters.bytes);
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => post(`${server.url}/v2/models/m/infer`, row(1, 2))),
  );
  assert.ok(answers.every(({ status }) => status === 200));
});

test('a run that fails outside the model would fail for every caller, so it is not taken for a bad sample', () => {
  const gather =
    "Non-zero status code returned while running Gather node. Name:'' Status Message: indices out of bounds";
  assert.equal(isOfTheModel(gather), true);
  assert.equal(isOfTheModel('not enough space: expected 6, got 0'), false);
});
