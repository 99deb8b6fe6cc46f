// Every call of the protocols against a real process with the models of config/models; each body against its schema.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { Child } from '../../gateway/cli/run/child.ts';
import { digitsOf } from '../../model-server/samples/digits.ts';
import { readHeldOut } from '../../model-server/samples/held-out.ts';
import { readMails } from '../../model-server/samples/held-out-mails.ts';
import { until } from '../support/until.ts';
import {
  binaryInferenceResponse,
  errorResponse,
  inferenceResponse,
  modelMetadata,
  repositoryIndex,
  serverMetadata,
  statistics,
} from './fixtures/protocol-schemas.ts';
import { type Answer, get, post, sendBytes } from './fixtures/server.ts';

const ajv = new Ajv({ allErrors: true, allowUnionTypes: true });
const digits = digitsOf(readHeldOut('config/data')).slice(0, 20);
const [first] = digits;
assert.ok(first !== undefined);
const mails = readMails('config/data/mails-held-out.jsonl.gz');
const server = new Child(['model-server', '--port', '0', '--model-control', 'explicit', '--log-level', 'warn']);
let url = '';

before(async () => {
  url = (await server.listening).url;
  await until(async () => (await get(`${url}/v2/health/ready`)).status === 200, 'the models ready', 60_000);
});
after(() => server.stop());

const PUBLISHED = 'test/model-server/fixtures/open-inference-protocol/open_inference_rest.yaml';
const openApi = new Ajv({ strict: false, allErrors: true }).addSchema(
  parse(readFileSync(PUBLISHED, 'utf8')),
  'published',
);

/**
 * The body of an answer, held against our schema, which is as narrow as what we promise, and against the published one where
 * it has a schema for such an answer.
 */
function checked(answer: Answer, schema: object, published?: string): ReturnType<typeof JSON.parse> {
  const body = JSON.parse(answer.text);
  assert.ok(ajv.validate(schema, body), `${ajv.errorsText()}: ${answer.text.slice(0, 300)}`);
  if (published !== undefined)
    assert.ok(openApi.validate(`published#/components/schemas/${published}`, body), openApi.errorsText());
  return body;
}

const image = (pixels: Uint8Array) => ({ name: 'image', shape: [1, 784], datatype: 'FP32', data: Array.from(pixels) });
const floatsOf = (pixels: Uint8Array) => Buffer.from(Float32Array.from(pixels).buffer);

test('health says that it lives and is ready, and that it has started', async () => {
  assert.deepEqual(JSON.parse((await get(`${url}/v2/health/live`)).text), { live: true });
  assert.deepEqual(JSON.parse((await get(`${url}/v2/health/ready`)).text), { ready: true });
  assert.deepEqual(JSON.parse((await get(`${url}/startupz`)).text), { started: true });
});

test('server metadata fits its schema', async () => {
  for (const path of ['/v2', '/v2/']) {
    const { extensions } = checked(await get(url + path), serverMetadata, 'metadata_server_response');
    assert.ok(extensions.includes('model_repository') && extensions.includes('binary_tensor_data'));
  }
});

test('model metadata and readiness fit theirs, with and without a version', async () => {
  for (const [path, version] of [
    ['digits', '3'],
    ['digits/versions/1', '1'],
    ['spam-accurate', '1'],
    ['digits-fast/versions/stable', '1'],
  ] as const) {
    const body = checked(await get(`${url}/v2/models/${path}`), modelMetadata, 'metadata_model_response');
    assert.equal(body.parameters.version, version);
    assert.equal(body.platform, 'onnx_onnxv1');
    assert.equal((await get(`${url}/v2/models/${path}/ready`)).status, 200);
  }
});

test('an inference fits its schema: every output, chosen ones, with parameters, of every kind', async () => {
  const infer = `${url}/v2/models/digits-accurate`;
  for (const path of [`${infer}/infer`, `${infer}/versions/1/infer`]) {
    const body = checked(
      await post(path, { id: 'p-1', inputs: [image(first.pixels)] }),
      inferenceResponse,
      'inference_response',
    );
    assert.equal(body.id, 'p-1');
    assert.equal(body.outputs[1].data[0], first.label);
    assert.ok(body.parameters.confidence > 0.5);
  }
  const outputs = [{ name: 'probabilities', parameters: { classification: 3 } }];
  const classes = checked(
    await post(`${infer}/infer`, { inputs: [image(first.pixels)], outputs }),
    inferenceResponse,
    'inference_response',
  );
  assert.match(classes.outputs[0].data[0], new RegExp(`^\\S+:${first.label}:${first.label}$`));
  const nested = { ...image(first.pixels), data: [Array.from(first.pixels)] };
  assert.equal((await post(`${infer}/infer`, { inputs: [nested], parameters: { priority: 1 } })).status, 200);
});

test('text goes in raw, a batch at a time, and the verdicts are right', async () => {
  const some = [
    ...mails.filter(({ isSpam }) => isSpam).slice(0, 20),
    ...mails.filter(({ isSpam }) => !isSpam).slice(0, 20),
  ];
  const text = { name: 'text', shape: [some.length], datatype: 'BYTES', data: some.map((mail) => mail.text) };
  for (const [model, least] of [
    ['spam-fast', 34],
    ['spam-balanced', 37],
    ['spam-accurate', 39],
  ] as const) {
    const body = checked(
      await post(`${url}/v2/models/${model}/infer`, { inputs: [text] }),
      inferenceResponse,
      'inference_response',
    );
    const right = some.filter(({ isSpam }, row) => (body.outputs[1].data[row] === 1) === isSpam).length;
    assert.ok(right >= least, `${model} judged ${right} of ${some.length} right`);
  }
});

test('binary tensors: in, out, mixed with JSON, raw and packed, they answer like JSON', async () => {
  const infer = `${url}/v2/models/digits/versions/2/infer`;
  const json = checked(await post(infer, { inputs: [image(first.pixels)] }), inferenceResponse, 'inference_response');
  const bytes = floatsOf(first.pixels);
  const request = Buffer.from(
    JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: [{ ...image(first.pixels), data: undefined, parameters: { binary_data_size: bytes.length } }],
      outputs: [{ name: 'probabilities' }, { name: 'label', parameters: { binary_data: false } }],
    }),
  );
  const length = { 'inference-header-content-length': String(request.length) };
  const body = Buffer.concat([request, bytes]);
  for (const answer of [
    await sendBytes(infer, body, length),
    await sendBytes(infer, gzipSync(body), { ...length, 'content-encoding': 'gzip' }),
  ]) {
    assert.equal(answer.headers.get('content-type'), 'application/octet-stream');
    checked(answer, binaryInferenceResponse);
    assert.equal(answer.binary.equals(Buffer.from(Float32Array.from(json.outputs[0].data).buffer)), true);
    assert.deepEqual(answer.json.outputs[1]?.data, json.outputs[1].data);
  }
  const raw = await sendBytes(infer, bytes, { 'inference-header-content-length': '0' });
  checked(raw, binaryInferenceResponse);
  assert.equal(raw.binary.readBigInt64LE(40), BigInt(first.label));
});

test('the repository is listed, and a model unloaded and loaded again', async () => {
  const index = checked(await post(`${url}/v2/repository/index`, ''), repositoryIndex);
  assert.equal(index.length, 9);
  assert.equal((await post(`${url}/v2/repository/models/spam-fast/unload`, '')).status, 200);
  const ready = checked(await post(`${url}/v2/repository/index`, { ready: true }), repositoryIndex);
  assert.equal(ready.length, 8);
  checked(await get(`${url}/v2/models/spam-fast`), errorResponse, 'metadata_model_error_response');
  assert.equal((await post(`${url}/v2/repository/models/spam-fast/load`, { parameters: {} })).status, 200);
  assert.equal((await get(`${url}/v2/models/spam-fast/ready`)).status, 200);
});

test('statistics count what was asked, for all, one model and one version, and show real batch sizes', async () => {
  const path = `${url}/v2/models/digits/versions/1`;
  const before = checked(await get(`${path}/stats`), statistics).model_stats[0];
  const batch = { name: 'image', shape: [5, 784], datatype: 'FP32', data: new Array(5 * 784).fill(0) };
  await Promise.all([
    post(`${path}/infer`, { inputs: [batch] }),
    ...digits.map(({ pixels }) => post(`${path}/infer`, { inputs: [image(pixels)] })),
  ]);
  assert.equal((await post(`${path}/infer`, { inputs: [] })).status, 400);
  const after = checked(await get(`${path}/stats`), statistics).model_stats[0];
  assert.equal(after.inference_count - before.inference_count, 25);
  assert.equal(after.inference_stats.success.count - before.inference_stats.success.count, 21);
  assert.equal(after.inference_stats.fail.count - before.inference_stats.fail.count, 1);
  const executions = after.execution_count - before.execution_count;
  assert.ok(executions >= 1 && executions <= 21);
  const rows = after.batch_stats.reduce(
    (sum: number, each: { batch_size: number; compute_infer: { count: number } }) =>
      sum + each.batch_size * each.compute_infer.count,
    0,
  );
  assert.equal(rows, after.inference_count);
  assert.equal(checked(await get(`${url}/v2/models/digits/stats`), statistics).model_stats.length, 3);
  assert.equal(checked(await get(`${url}/v2/models/stats`), statistics).model_stats.length, 9);
});

test('v1: models, status, metadata, rows, columns, labels and text as base64', async () => {
  const all = JSON.parse((await get(`${url}/v1/models`)).text);
  assert.ok(all.models.includes('digits') && all.models.includes('spam-accurate'));
  const status = JSON.parse((await get(`${url}/v1/models/digits`)).text);
  assert.deepEqual([status.name, status.ready, status.model_version_status.length], ['digits', true, 3]);
  assert.deepEqual(status.model_version_status[0], {
    version: '1',
    state: 'AVAILABLE',
    status: { error_code: 'OK', error_message: '' },
  });
  assert.equal((await get(`${url}/v1/models/digits/versions/2`)).status, 200);
  const meta = JSON.parse((await get(`${url}/v1/models/digits/versions/2/metadata`)).text);
  assert.deepEqual(meta.model_spec, { name: 'digits', signature_name: '', version: '2' });
  assert.deepEqual(meta.metadata.signature_def.signature_def.serving_default.inputs.image, {
    dtype: 'DT_FLOAT',
    tensor_shape: {
      dim: [
        { size: '-1', name: '' },
        { size: '784', name: '' },
      ],
      unknown_rank: false,
    },
    name: 'image',
  });
  const rows = { signature_name: 'serving_default', instances: [Array.from(first.pixels)] };
  const [row] = JSON.parse((await post(`${url}/v1/models/digits/versions/2:predict`, rows)).text).predictions;
  assert.equal(row.label, first.label);
  const columns = { inputs: { image: [Array.from(first.pixels)] } };
  const labelled = JSON.parse((await post(`${url}/v1/models/digits-fast/labels/stable:predict`, columns)).text);
  assert.equal(labelled.outputs.probabilities[0].length, 10);
  const [mail] = mails;
  const b64 = { instances: [{ b64: Buffer.from(mail?.text ?? '').toString('base64') }, { text: mail?.text }] };
  const [packed, plain] = JSON.parse((await post(`${url}/v1/models/spam-balanced:predict`, b64)).text).predictions;
  assert.deepEqual(packed, plain);
  for (const [body, message] of [
    [{ signature_name: 'other', instances: [[1]] }, /one signature/],
    [{ instances: [[1]], inputs: [[1]] }, /either/],
  ] as const) {
    checked(await post(`${url}/v1/models/digits:predict`, body), errorResponse, 'inference_error_response');
    assert.match((await post(`${url}/v1/models/digits:predict`, body)).text, message);
  }
});

test('refusals fit their schema', async () => {
  for (const answer of [
    await post(`${url}/v2/models/digits/infer`, '{'),
    await post(`${url}/v2/models/nobody/infer`, '{}'),
    await get(`${url}/v2/models/digits/infer`),
    await get(`${url}/v2/nothing`),
  ]) {
    checked(answer, errorResponse, 'inference_error_response');
  }
});

test('asked to end, the process drains and exits with 0', async () => {
  const running = post(`${url}/v2/models/digits-accurate/infer`, { inputs: [image(first.pixels)] });
  await running;
  assert.equal(await server.stop(), 0);
});
