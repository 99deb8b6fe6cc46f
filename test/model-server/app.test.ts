import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import { type ModelServer, startModelServer } from '../../model-server/main.ts';
import { raw } from '../support/raw.ts';
import { until } from '../support/until.ts';
import { addModel, divideModel, echoModel, makeFolder, scaleModel, slowModel, tableModel } from './fixtures/models.ts';
import { type Answer, get, post } from './fixtures/server.ts';

const folder = await makeFolder({
  'scale/1/model.onnx': scaleModel(2),
  'scale/3/model.onnx': scaleModel(3),
  'divide/1/model.onnx': divideModel,
  'table/1/model.onnx': tableModel,
  'add/1/model.onnx': addModel,
  'slow/1/model.onnx': slowModel(20),
  'text/1/model.onnx': echoModel('BYTES'),
  'bool/1/model.onnx': echoModel('BOOL'),
  'uint64/1/model.onnx': echoModel('UINT64'),
  'half/1/model.onnx': echoModel('FP16'),
  'broken/7/model.onnx': 'this is no model',
});
let server: ModelServer;
let url = '';

before(async () => {
  server = await startModelServer({
    models: folder.path,
    port: 0,
    bodyLimit: 1024 * 1024,
    logger: pino({ level: 'silent' }),
  });
  url = server.url;
  await server.loaded;
});
after(async () => {
  await server.close();
  await folder.remove();
});

const rows = (data: unknown, shape: unknown = [1, 2]) => ({ name: 'x', shape, datatype: 'FP32', data });
const scaleInfer = '/v2/models/scale/infer';

function errorOf({ text }: Answer): string {
  const body: unknown = JSON.parse(text);
  assert.ok(typeof body === 'object' && body !== null && 'error' in body && typeof body.error === 'string');
  assert.deepEqual(Object.keys(body), ['error']);
  return body.error;
}

test('the server describes itself and lists the extensions that work, with or without a slash', async () => {
  for (const path of ['/v2', '/v2/']) {
    const answer = await get(url + path);
    assert.equal(answer.status, 200);
    assert.deepEqual(JSON.parse(answer.text), {
      name: 'sluice-model-server',
      version: '0.1.0',
      extensions: ['binary_tensor_data', 'classification', 'parameters', 'schedule_policy', 'statistics'],
    });
  }
});

test('it is live, and ready although one version failed to load', async () => {
  assert.equal((await get(`${url}/v2/health/live`)).text, '{"live":true}');
  const ready = await get(`${url}/v2/health/ready`);
  assert.deepEqual([ready.status, ready.text], [200, '{"ready":true}']);
});

test('metadata shows names, datatypes, shapes with -1 and the digest of the file', async () => {
  const answer = await get(`${url}/v2/models/scale`);
  const { parameters, ...body } = JSON.parse(answer.text);
  assert.deepEqual(body, {
    name: 'scale',
    versions: ['1', '3'],
    platform: 'onnx_onnxv1',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
    outputs: [
      { name: 'y', datatype: 'FP32', shape: [-1, 2] },
      { name: 'label', datatype: 'INT64', shape: [-1] },
    ],
  });
  assert.equal(parameters.version, '3');
  assert.match(parameters.sha256, /^[0-9a-f]{64}$/);
  assert.deepEqual([parameters.provider, parameters.instances, parameters.batch_rows], ['cpu', 1, 32]);
  const first = JSON.parse((await get(`${url}/v2/models/scale/versions/1`)).text);
  assert.equal(first.parameters.version, '1');
  assert.notEqual(first.parameters.sha256, parameters.sha256);
});

test('a model is ready, a version that failed says why', async () => {
  for (const [path, status, expected] of [
    ['/v2/models/scale/ready', 200, { name: 'scale', version: '3', ready: true }],
    ['/v2/models/scale/versions/1/ready', 200, { name: 'scale', version: '1', ready: true }],
    [
      '/v2/models/broken/ready',
      503,
      { name: 'broken', version: '7', ready: false, reason: 'load failed: Protobuf parsing failed.' },
    ],
  ] as const) {
    const answer = await get(url + path);
    assert.equal(answer.status, status, path);
    assert.deepEqual(JSON.parse(answer.text), expected);
  }
  const refused = await post(`${url}/v2/models/broken/infer`, { inputs: [rows([1, 2])] });
  assert.equal(refused.status, 503);
  assert.match(errorOf(refused), /model broken version 7 is not ready: load failed/);
});

test('an inference answers every output with flat data from the highest version', async () => {
  const answer = await post(url + scaleInfer, { id: 'r-1', inputs: [rows([1, 2, 5, 4], [2, 2])] });
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(answer.text), {
    model_name: 'scale',
    model_version: '3',
    id: 'r-1',
    outputs: [
      { name: 'y', datatype: 'FP32', shape: [2, 2], data: [3, 6, 15, 12] },
      { name: 'label', datatype: 'INT64', shape: [2], data: [1, 0] },
    ],
  });
});

test('a named version and requested outputs are honoured, nested data is read', async () => {
  const answer = await post(`${url}/v2/models/scale/versions/1/infer`, {
    inputs: [rows([[1, 2]])],
    outputs: [{ name: 'y', parameters: { binary_data: false } }],
  });
  const body = JSON.parse(answer.text);
  assert.equal(body.model_version, '1');
  assert.equal('id' in body, false);
  assert.deepEqual(body.outputs, [{ name: 'y', datatype: 'FP32', shape: [1, 2], data: [2, 4] }]);
});

test('answers are application/json without a charset, have a length and echo x-request-id', async () => {
  for (const path of [scaleInfer, '/v2/models/nobody/infer']) {
    const answer = await post(url + path, { inputs: [rows([1, 2])] }, { 'x-request-id': 'abc' });
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.equal(answer.headers.get('content-length'), String(Buffer.byteLength(answer.text)));
    assert.equal(answer.headers.get('x-request-id'), 'abc');
  }
});

for (const type of [undefined, '', 'foo', 'text/plain', 'application/octet-stream', ';;;', 'application/json; x']) {
  test(`a request with content type ${JSON.stringify(type)} is served`, async () => {
    const body = JSON.stringify({ inputs: [rows([1, 2])] });
    const header = type === undefined ? '' : `content-type: ${type}\r\n`;
    const head = `POST ${scaleInfer} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${header}`;
    assert.match(await raw(url, `${head}content-length: ${body.length}\r\n\r\n${body}`), /^HTTP\/1.1 200 /);
  });
}

test('NaN goes in and comes out as a bare token', async () => {
  const zero = await post(`${url}/v2/models/divide/infer`, { inputs: [rows([0, 1])] });
  assert.equal(zero.status, 200);
  assert.match(zero.text, /"data":\[NaN,1\]/);
  const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[NaN,-Infinity]}]}';
  const answer = await post(`${url}/v2/models/scale/versions/3/infer`, body);
  assert.match(answer.text, /"data":\[NaN,-Infinity\]/);
});

test('strings, booleans and 64-bit integers pass through a model unchanged', async () => {
  for (const [model, datatype, data] of [
    ['text', 'BYTES', ['a', 'é "x"', '']],
    ['bool', 'BOOL', [true, false, true]],
    ['uint64', 'UINT64', [0, 9007199254740991, 5]],
  ] as const) {
    const inputs = [{ name: 'in', shape: [3], datatype, data }];
    const answer = await post(`${url}/v2/models/${model}/infer`, { inputs });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(JSON.parse(answer.text).outputs[0].data, data);
  }
});

const badRequests: readonly [string, string, unknown, RegExp][] = [
  ['malformed JSON', scaleInfer, '{"inputs":', /not valid JSON/],
  ['an empty body', scaleInfer, '', /no body/],
  ['null', scaleInfer, 'null', /must be a JSON object with "inputs", got null/],
  ['an array', scaleInfer, '[]', /must be a JSON object/],
  ['a number', scaleInfer, '5', /got 5/],
  ['deep nesting', scaleInfer, '['.repeat(100_000), /deeper than 64|not valid JSON/],
  [
    'deep nesting as data',
    scaleInfer,
    `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":${'['.repeat(9000)}${']'.repeat(9000)}}]}`,
    /asks for 2 elements/,
  ],
  ['only a __proto__ key', scaleInfer, '{"__proto__":{"inputs":[]}}', /"inputs" must be an array/],
  ['no inputs', scaleInfer, {}, /"inputs" must be an array/],
  ['empty inputs', scaleInfer, { inputs: [] }, /"inputs" must be an array/],
  ['inputs as an object', scaleInfer, { inputs: { x: [1, 2] } }, /"inputs" must be an array/],
  ['an input that is no object', scaleInfer, { inputs: [null] }, /each of "inputs" must be an object/],
  [
    'an unknown input',
    scaleInfer,
    { inputs: [{ ...rows([1, 2]), name: 'z' }] },
    /has no input "z"; its inputs are "x"/,
  ],
  ['an input called constructor', scaleInfer, { inputs: [{ name: 'constructor' }] }, /no input "constructor"/],
  ['an extra input', scaleInfer, { inputs: [rows([1, 2]), { ...rows([1, 2]), name: 'z' }] }, /no input "z"/],
  ['an input given twice', scaleInfer, { inputs: [rows([1, 2]), rows([1, 2])] }, /"x" is given twice/],
  [
    'a missing input',
    '/v2/models/add/infer',
    { inputs: [{ name: 'a', shape: [1], datatype: 'FP32', data: [1] }] },
    /lacks input "b"/,
  ],
  [
    'inputs that disagree about the batch',
    '/v2/models/add/infer',
    {
      inputs: [
        { name: 'a', shape: [2], datatype: 'FP32', data: [1, 2] },
        { name: 'b', shape: [3], datatype: 'FP32', data: [1, 2, 3] },
      ],
    },
    /dimension "batch" is 2 in input "a" and 3 in input "b"/,
  ],
  [
    'another datatype',
    scaleInfer,
    { inputs: [{ ...rows([1, 2]), datatype: 'INT32' }] },
    /"x" must be FP32, got "INT32"/,
  ],
  [
    'an invented datatype',
    scaleInfer,
    { inputs: [{ ...rows([1, 2]), datatype: 'FP31' }] },
    /no datatype of the protocol/,
  ],
  ['no datatype', scaleInfer, { inputs: [{ ...rows([1, 2]), datatype: undefined }] }, /must be FP32, got undefined/],
  ['another rank', scaleInfer, { inputs: [rows([1, 2], [2])] }, /must have shape \[-1,2\], got \[2\]/],
  ['another fixed dimension', scaleInfer, { inputs: [rows([1, 2, 3], [1, 3])] }, /shape \[-1,2\], got \[1,3\]/],
  ['a batch of 0', scaleInfer, { inputs: [rows([], [0, 2])] }, /at least 1/],
  ['a negative dimension', scaleInfer, { inputs: [rows([1, 2], [-1, 2])] }, /at least 1/],
  ['a fractional dimension', scaleInfer, { inputs: [rows([1, 2], [0.5, 2])] }, /whole number/],
  ['a batch of 2^50', scaleInfer, { inputs: [rows([1, 2], [2 ** 50, 2])] }, /data has 2/],
  ['a shape beyond counting', scaleInfer, { inputs: [rows([1, 2], [2 ** 53, 2])] }, /whole number of at least 1/],
  ['no shape', scaleInfer, { inputs: [{ ...rows([1, 2]), shape: undefined }] }, /shape must be an array/],
  ['data shorter than the shape', scaleInfer, { inputs: [rows([1])] }, /holds 2 elements, data has 1/],
  ['strings as numbers', scaleInfer, { inputs: [rows(['1', '2'])] }, /element 0 .* got "1"/],
  ['no data', scaleInfer, { inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32' }] }, /data must be an array/],
  [
    'a binary tensor without the header',
    scaleInfer,
    { inputs: [{ ...rows(undefined), parameters: { binary_data_size: 8 } }] },
    /has binary_data_size, but the request has no header inference-header-content-length/,
  ],
  [
    'data beside a binary size',
    scaleInfer,
    { inputs: [{ ...rows([1, 2]), parameters: { binary_data_size: 8 } }] },
    /both data and binary_data_size/,
  ],
  [
    'a binary output that is not said with true or false',
    scaleInfer,
    { inputs: [rows([1, 2])], outputs: [{ name: 'y', parameters: { binary_data: 'yes' } }] },
    /binary_data of output "y" must be true or false, got "yes"/,
  ],
  [
    'a classification of 0 classes',
    scaleInfer,
    { inputs: [rows([1, 2])], outputs: [{ name: 'y', parameters: { classification: 0 } }] },
    /classification of output "y" must be a whole number of at least 1/,
  ],
  [
    'a negative timeout',
    scaleInfer,
    { parameters: { timeout: -1 }, inputs: [rows([1, 2])] },
    /parameter timeout of the request must be a whole number of at least 0/,
  ],
  [
    'a priority that is text',
    scaleInfer,
    { parameters: { priority: 'high' }, inputs: [rows([1, 2])] },
    /parameter priority of the request/,
  ],
  ['parameters that are no object', scaleInfer, { parameters: [], inputs: [rows([1, 2])] }, /must be an object/],
  [
    'an unknown output',
    scaleInfer,
    { inputs: [rows([1, 2])], outputs: [{ name: 'q' }] },
    /no output "q"; its outputs are "y"/,
  ],
  [
    'an output asked for twice',
    scaleInfer,
    { inputs: [rows([1, 2])], outputs: [{ name: 'y' }, { name: 'y' }] },
    /asked for twice/,
  ],
  ['an output that is no object', scaleInfer, { inputs: [rows([1, 2])], outputs: ['y'] }, /must be an object/],
  ['outputs that are no array', scaleInfer, { inputs: [rows([1, 2])], outputs: 'y' }, /"outputs" must be an array/],
  ['an id that is a number', scaleInfer, { id: 5, inputs: [rows([1, 2])] }, /"id" must be a string/],
  ['an id of 1025 characters', scaleInfer, { id: 'x'.repeat(1025), inputs: [rows([1, 2])] }, /at most 1024/],
  [
    'FP16 in JSON',
    '/v2/models/half/infer',
    { inputs: [{ name: 'in', shape: [1], datatype: 'FP16', data: [1] }] },
    /FP16, which has no JSON form: ask for it with the parameter binary_data/,
  ],
  ['both v1 forms', '/v1/models/scale:predict', { instances: [[1, 2]], inputs: [[1, 2]] }, /either/],
  ['neither v1 form', '/v1/models/scale:predict', {}, /either "instances" or "inputs"/],
  ['no v1 rows', '/v1/models/scale:predict', { instances: [] }, /at least one row/],
  ['v1 rows that are no array', '/v1/models/scale:predict', { instances: 'x' }, /at least one row/],
  ['ragged v1 rows', '/v1/models/scale:predict', { instances: [[1, 2], [3]] }, /asks for 2 elements, data has 1/],
  ['v1 rows of another rank', '/v1/models/scale:predict', { instances: [1, 2] }, /must have shape \[-1,2\], got \[2\]/],
  ['v1 strings', '/v1/models/scale:predict', { instances: [['1', '2']] }, /got "1"/],
  ['v1 rows with an unknown name', '/v1/models/scale:predict', { instances: [{ z: [1, 2] }] }, /no input "z"/],
  ['bare v1 rows for two inputs', '/v1/models/add:predict', { instances: [1] }, /every input by name: "a", "b"/],
  ['v1 rows without one input', '/v1/models/add:predict', { instances: [{ a: 1 }] }, /row 0 .* every input/],
  ['v1 columns without one input', '/v1/models/add:predict', { inputs: { a: [1] } }, /lacks input "b"/],
];

for (const [name, path, body, message] of badRequests) {
  test(`${name} is a bad request that says so`, async () => {
    const answer = await post(url + path, body);
    assert.equal(answer.status, 400, answer.text);
    assert.match(errorOf(answer), message);
  });
}

const notFound: readonly string[] = [
  'nobody',
  '..%2fscale',
  '%2e%2e%2fscale',
  'a%2fb',
  'scale%00',
  'scale%0d%0a',
  'sc%D0%B0le',
  '__proto__',
  'constructor',
  'toString',
  'SCALE',
  'x'.repeat(3000),
  'scale/versions/2',
  'scale/versions/03',
  'scale/versions/__proto__',
  'scale/versions/latest',
];

for (const name of notFound) {
  test(`${name.slice(0, 40)} is not found on any route`, async () => {
    for (const answer of [
      await post(`${url}/v2/models/${name}/infer`, { inputs: [rows([1, 2])] }),
      await get(`${url}/v2/models/${name}`),
      await get(`${url}/v2/models/${name}/ready`),
      await post(`${url}/v1/models/${name}:predict`, { instances: [[1, 2]] }),
      await get(`${url}/v1/models/${name}`),
    ]) {
      assert.equal(answer.status, 404, answer.text);
      assert.ok(errorOf(answer).length < 300);
    }
  });
}

test('dots in a path lead nowhere', async () => {
  for (const path of ['/v2/models/../../etc/passwd', '/v2/models/%2e%2e/%2e%2e/etc/passwd', '/v2/models/scale/x']) {
    assert.match(await raw(url, `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`), /^HTTP\/1.1 404 /);
  }
});

test('an unknown path, a broken escape, another method and another verb are refused in our own form', async () => {
  const cases: readonly [number, Answer][] = [
    [404, await get(`${url}/v3`)],
    [400, await get(`${url}/v2/models/%zz`)],
    [405, await get(url + scaleInfer)],
    [405, await post(`${url}/v2/health/live`, '')],
    [501, await post(`${url}/v1/models/scale:classify`, { instances: [[1, 2]] })],
    [404, await post(`${url}/v1/models/scale:guess`, { instances: [[1, 2]] })],
    [501, await post(url + scaleInfer, { parameters: { sequence_id: 3 }, inputs: [rows([1, 2])] })],
    [404, await post(`${url}/v1/models/scale`, { instances: [[1, 2]] })],
  ];
  for (const [status, answer] of cases) {
    assert.equal(answer.status, status, answer.text);
    errorOf(answer);
  }
  assert.equal(cases[2]?.[1].headers.get('allow'), 'POST');
});

test('a body over the limit is 413, one compressed in an unknown way 415', async () => {
  const large = await post(url + scaleInfer, ' '.repeat(1024 * 1024 + 1));
  assert.equal(large.status, 413);
  assert.match(errorOf(large), /1048576 bytes/);
  const packed = await post(url + scaleInfer, 'x', { 'content-encoding': 'br' });
  assert.equal(packed.status, 415);
  assert.equal(packed.headers.get('accept-encoding'), 'gzip, deflate');
});

test('a run that fails is a 500 with the reason, and the next one works', async () => {
  const input = (index: number) => ({ inputs: [{ name: 'x', shape: [1], datatype: 'INT64', data: [index] }] });
  const failed = await post(`${url}/v2/models/table/infer`, input(7));
  assert.equal(failed.status, 500);
  assert.match(
    errorOf(failed),
    /^model table version 1 failed: Gather node y: indices element out of data bounds, idx=7/,
  );
  const good = await post(`${url}/v2/models/table/infer`, input(2));
  assert.deepEqual(JSON.parse(good.text).outputs[0].data, [30]);
});

test('v1 instances give rows, by name when there are several outputs', async () => {
  const bare = await post(`${url}/v1/models/scale/versions/1:predict`, {
    instances: [
      [1, 2],
      [4, 3],
    ],
  });
  assert.deepEqual(JSON.parse(bare.text), {
    predictions: [
      { y: [2, 4], label: 1 },
      { y: [8, 6], label: 0 },
    ],
  });
  const named = await post(`${url}/v1/models/divide:predict`, { instances: [{ x: [1, 2] }] });
  assert.equal(named.text, '{"predictions":[[1,1]]}');
  const both = await post(`${url}/v1/models/add:predict`, {
    instances: [
      { a: 1, b: 2 },
      { b: 4, a: 3 },
    ],
  });
  assert.equal(both.text, '{"predictions":[3,7]}');
});

test('v1 inputs give columns', async () => {
  const bare = await post(`${url}/v1/models/scale:predict`, { inputs: [[1, 2]] });
  assert.deepEqual(JSON.parse(bare.text), { outputs: { y: [[3, 6]], label: [1] } });
  const named = await post(`${url}/v1/models/add:predict`, { inputs: { a: [1, 2], b: [3, 4] } });
  assert.equal(named.text, '{"outputs":[4,6]}');
});

test('rows that the outputs do not share are refused with a way out', async () => {
  const answer = await post(`${url}/v1/models/slow:predict`, { instances: [0.001] });
  assert.equal(answer.status, 400);
  assert.match(errorOf(answer), /send "inputs" instead/);
});

test('health answers at once while a run is going on', async () => {
  const inputs = [{ name: 'x', shape: [1], datatype: 'FP32', data: [0.001] }];
  let ended = 0;
  const runs = [1, 2].map(() =>
    post(`${url}/v2/models/slow/infer`, { inputs }).finally(() => {
      ended++;
    }),
  );
  await until(
    async () => /queue_depth\{[^}]*\} 1/.test((await get(`${url}/metrics`)).text),
    'one run behind the other',
  );
  for (let turn = 0; turn < 5; turn++) {
    const start = performance.now();
    assert.equal((await get(`${url}/v2/health/live`)).status, 200);
    assert.ok(performance.now() - start < 500);
  }
  assert.ok(ended < 2);
  for (const { status } of await Promise.all(runs)) {
    assert.equal(status, 200);
  }
});

test('metrics count by outcome and never repeat a name that is not in the repository', async () => {
  await post(`${url}/v2/models/invented-name/infer`, {});
  await post(`${url}/v2/models/scale/versions/99/infer`, {});
  const { text, headers } = await get(`${url}/metrics`);
  assert.match(headers.get('content-type') ?? '', /^text\/plain/);
  assert.match(text, /sluice_server_requests_total\{model="scale",version="3",outcome="ok"\} [1-9]/);
  assert.match(text, /sluice_server_requests_total\{model="scale",version="3",outcome="too_large"\} 1/);
  assert.match(text, /sluice_server_requests_total\{model="table",version="1",outcome="run_failed"\} 1/);
  assert.match(text, /sluice_server_requests_total\{model="scale",version="_unknown",outcome="not_found"\} [1-9]/);
  assert.match(text, /sluice_server_requests_total\{model="_unknown",version="_unknown",outcome="not_found"\} [1-9]/);
  assert.match(text, /sluice_server_run_seconds_count\{model="scale",version="3"\} [1-9]/);
  assert.match(text, /sluice_server_batch_rows_count\{model="scale",version="3"\} [1-9]/);
  assert.match(text, /sluice_server_pending_requests\{model="scale",version="3"\} 0/);
  assert.match(text, /sluice_server_model_bytes\{model="scale",version="3"\} [1-9]/);
  assert.match(text, /sluice_server_provider\{model="scale",version="3",provider="cpu"\} 1/);
  assert.match(text, /sluice_server_queue_depth\{model="scale",version="3"\} 0/);
  assert.match(text, /sluice_server_version_ready\{model="broken",version="7"\} 0/);
  assert.doesNotMatch(text, /invented-name|"99"/);
});

test('metrics tell of the process, and no gauge is named like a counter', async () => {
  const { text } = await get(`${url}/metrics`);
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_eventloop_lag_max_seconds',
  ]) {
    assert.match(text, new RegExp(`^${name} [0-9]`, 'm'));
  }
  const gauges = [...text.matchAll(/^# TYPE (\S+) gauge$/gm)].map(([, name]) => name ?? '');
  assert.deepEqual(
    gauges.filter((name) => /_(total|count|sum|bucket)$/.test(name)),
    [],
  );
});

const unreadable: readonly [string, number, string, RegExp][] = [
  ['a malformed request line', 400, 'HELLO\r\n\r\n', /this is not HTTP: /],
  ['two lengths', 400, 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', /not HTTP: /],
  ['a header of 20 kB', 431, `GET /v2 HTTP/1.1\r\nhost: x\r\na: ${'x'.repeat(20_000)}\r\n\r\n`, /header .* too large/],
  [
    'an expectation nobody knows',
    417,
    'GET /v2 HTTP/1.1\r\nhost: x\r\nexpect: more\r\nconnection: close\r\n\r\n',
    /100-continue/,
  ],
];

for (const [name, status, bytes, message] of unreadable) {
  test(`${name} is answered in our own form`, async () => {
    const [head = '', body = ''] = (await raw(url, bytes)).split('\r\n\r\n');
    assert.match(head, new RegExp(`^HTTP/1.1 ${status} [A-Z]`));
    assert.match(head, /^content-type: application\/json$/im);
    assert.match(head, /^connection: close$/im);
    assert.deepEqual(Object.keys(JSON.parse(body)), ['error']);
    assert.match(JSON.parse(body).error, message);
  });
}

test('expect: 100-continue is served', async () => {
  const body = JSON.stringify({ inputs: [rows([1, 2])] });
  const head = `POST ${scaleInfer} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n`;
  const answer = await raw(url, `${head}content-length: ${body.length}\r\n\r\n${body}`);
  assert.match(answer, /^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 /);
});
