import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { deflateSync, gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { type ModelServer, startModelServer } from '../../model-server/main.ts';
import { DATATYPES, type Datatype } from '../../model-server/protocol/names.ts';
import { raw } from '../support/raw.ts';
import { addModel, echoModel, makeFolder, scaleModel } from './fixtures/models.ts';
import { type BinaryAnswer, sendBytes, startServer } from './fixtures/server.ts';

const LIMIT = 256 * 1024;
const folder = await makeFolder({
  'scale/1/model.onnx': scaleModel(2),
  'add/1/model.onnx': addModel,
  'half/1/model.onnx': echoModel('FP16'),
  'long/1/model.onnx': echoModel('INT64'),
  'text/1/model.onnx': echoModel('BYTES'),
  'grid/1/model.onnx': echoModel('FP32', ['a', 'b', 'c']),
  'cell/1/model.onnx': echoModel('BYTES', ['batch', 1]),
  'cells/1/model.onnx': echoModel('BYTES', ['batch', 2]),
});
let server: ModelServer;

before(async () => {
  server = await startModelServer({
    models: folder.path,
    port: 0,
    bodyLimit: LIMIT,
    logger: pino({ level: 'silent' }),
  });
  await server.loaded;
});
after(async () => {
  await server.close();
  await folder.remove();
});

const floats = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer);
const x = (bytes: number, shape = [1, 2]) => ({
  name: 'x',
  shape,
  datatype: 'FP32',
  parameters: { binary_data_size: bytes },
});

function send(
  model: string,
  request: unknown,
  binary: Buffer,
  headers: Record<string, string> = {},
): Promise<BinaryAnswer> {
  const json = Buffer.from(JSON.stringify(request));
  return sendBytes(`${server.url}/v2/models/${model}/infer`, Buffer.concat([json, binary]), {
    'inference-header-content-length': String(json.length),
    ...headers,
  });
}

test('a binary input is answered in JSON unless bytes are asked for', async () => {
  const answer = await send('scale', { id: 'b', inputs: [x(8)] }, floats(1, 2));
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  assert.equal(answer.headers.get('inference-header-content-length'), null);
  assert.deepEqual(JSON.parse(answer.text).outputs[0].data, [2, 4]);
});

test('binary outputs follow the JSON in its order, and the header says where they begin', async () => {
  const request = { id: 'b', parameters: { binary_data_output: true }, inputs: [x(16, [2, 2])] };
  const answer = await send('scale', request, floats(1, 2, 4, 3));
  assert.equal(answer.headers.get('content-type'), 'application/octet-stream');
  assert.equal(answer.headers.get('content-length'), String(answer.bytes.length));
  assert.deepEqual(answer.json, {
    model_name: 'scale',
    model_version: '1',
    id: 'b',
    outputs: [
      { name: 'y', datatype: 'FP32', shape: [2, 2], parameters: { binary_data_size: 16 } },
      { name: 'label', datatype: 'INT64', shape: [2], parameters: { binary_data_size: 16 } },
    ],
  });
  assert.deepEqual(answer.binary, Buffer.concat([floats(2, 4, 8, 6), Buffer.from(BigInt64Array.of(1n, 0n).buffer)]));
});

test('an output says for itself whether it is binary', async () => {
  const outputs = [{ name: 'y' }, { name: 'label', parameters: { binary_data: false } }];
  const request = { parameters: { binary_data_output: true }, inputs: [x(8)], outputs };
  const answer = await send('scale', request, floats(1, 2));
  const [y, label] = answer.json.outputs;
  assert.deepEqual(y?.parameters, { binary_data_size: 8 });
  assert.deepEqual(label?.data, [1]);
  assert.deepEqual(answer.binary, floats(2, 4));
  const json = await sendBytes(
    `${server.url}/v2/models/scale/infer`,
    Buffer.from(
      JSON.stringify({
        inputs: [{ name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2] }],
        outputs: [{ name: 'y', parameters: { binary_data: true } }],
      }),
    ),
  );
  assert.deepEqual(json.binary, floats(2, 4));
});

test('JSON and binary inputs are mixed in one request, in the order of the JSON', async () => {
  const a = { name: 'a', shape: [2], datatype: 'FP32', parameters: { binary_data_size: 8 } };
  const b = { name: 'b', shape: [2], datatype: 'FP32', data: [10, 20] };
  const mixed = await send('add', { inputs: [b, a] }, floats(1, 2));
  assert.deepEqual(mixed.json.outputs[0]?.data, [11, 22]);
  const both = { ...b, data: undefined, parameters: { binary_data_size: 8 } };
  const ordered = await send('add', { inputs: [both, a] }, Buffer.concat([floats(1, 2), floats(10, 20)]));
  assert.deepEqual(ordered.json.outputs[0]?.data, [11, 22]);
});

test('FP16 goes through as its bits', async () => {
  const bits = Buffer.from(Uint16Array.of(0x3c00, 0x7e00, 0xfc00).buffer);
  const input = { name: 'in', shape: [3], datatype: 'FP16', parameters: { binary_data_size: 6 } };
  const outputs = [{ name: 'out', parameters: { binary_data: true } }];
  const answer = await send('half', { inputs: [input], outputs }, bits);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(answer.binary, bits);
});

test('INT64 keeps every digit in JSON and in bytes', async () => {
  const values = ['9223372036854775807', '-9223372036854775808', '9007199254740993'];
  const body = `{"inputs":[{"name":"in","shape":[3],"datatype":"INT64","data":[${values}]}]}`;
  const json = await sendBytes(`${server.url}/v2/models/long/infer`, Buffer.from(body));
  assert.match(json.text, new RegExp(`"data":\\[${values}\\]`));
  const v1 = await sendBytes(`${server.url}/v1/models/long:predict`, Buffer.from(`{"instances":[${values}]}`));
  assert.equal(v1.text, `{"predictions":[${values}]}`);
});

test('BYTES go in and out with their lengths', async () => {
  const bytes = Buffer.from('02000000c3a900000000', 'hex');
  const input = { name: 'in', shape: [2], datatype: 'BYTES', parameters: { binary_data_size: bytes.length } };
  const outputs = [{ name: 'out', parameters: { binary_data: true } }];
  const answer = await send('text', { inputs: [input], outputs }, bytes);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(answer.binary, bytes);
});

// onnxruntime converts the elements of each datatype in its own way, and another Node may have other arrays.
test('a version of any datatype that is ready answers, with the bytes that it got', async (t) => {
  const served = (Object.keys(DATATYPES) as Datatype[]).filter((datatype) => datatype !== 'BYTES');
  const files = served.map((datatype) => [`${datatype.toLowerCase()}/1/model.onnx`, echoModel(datatype)] as const);
  const { url, loaded } = await startServer(t, Object.fromEntries(files));
  await loaded;
  for (const datatype of served) {
    const model = `${url}/v2/models/${datatype.toLowerCase()}`;
    assert.equal((await fetch(`${model}/ready`)).status, 200, datatype);
    const { bytes } = DATATYPES[datatype];
    const sent = Buffer.alloc(3 * bytes, 1);
    const input = { name: 'in', shape: [3], datatype, parameters: { binary_data_size: sent.length } };
    const json = Buffer.from(
      JSON.stringify({ inputs: [input], outputs: [{ name: 'out', parameters: { binary_data: true } }] }),
    );
    const answer = await sendBytes(`${model}/infer`, Buffer.concat([json, sent]), {
      'inference-header-content-length': String(json.length),
    });
    assert.equal(answer.status, 200, `${datatype}: ${answer.text}`);
    assert.deepEqual(answer.binary, sent, datatype);
  }
});

const RAW = { 'inference-header-content-length': '0' };

test('a body of nothing but bytes is the only input, and every output is binary', async () => {
  const url = `${server.url}/v2/models/scale/infer`;
  const one = await sendBytes(url, floats(1, 2), RAW);
  assert.deepEqual(one.json.outputs[0]?.shape, [1, 2]);
  assert.deepEqual(one.binary, Buffer.concat([floats(2, 4), Buffer.from(BigInt64Array.of(1n).buffer)]));
  const rows = await sendBytes(url, floats(1, 2, 3, 4, 5, 6), RAW);
  assert.deepEqual(rows.json.outputs[0]?.shape, [3, 2], 'the size that varies takes what the bytes fill');
  // As Triton has it: one element, without a length before it; in the answer it has one.
  const text = await sendBytes(`${server.url}/v2/models/cell/infer`, Buffer.from('427'), RAW);
  assert.deepEqual(text.json.outputs[0]?.shape, [1, 1]);
  assert.deepEqual(text.binary, Buffer.from('\u0003\0\0\u0000427', 'latin1'));
});

const badRaw: readonly [string, string, Buffer, RegExp][] = [
  ['rows that do not fill', 'scale', floats(1, 2, 3), /shape \[1,2\] of FP32 holds 8 bytes, the binary data has 12/],
  ['nothing', 'scale', Buffer.alloc(0), /no body/],
  ['two inputs', 'add', floats(1), /needs a model with exactly one input/],
  ['several sizes that vary', 'grid', floats(1), /has several sizes that vary/],
  ['a text model of two elements', 'cells', Buffer.from('427'), /must have shape \[-1,2\]/],
  ['text with NUL', 'cell', Buffer.from([0]), /UTF-8 text without NUL/],
];

for (const [name, model, bytes, message] of badRaw) {
  test(`a raw request with ${name} is a bad request`, async () => {
    const answer = await sendBytes(`${server.url}/v2/models/${model}/infer`, bytes, RAW);
    assert.equal(answer.status, 400, answer.text);
    assert.match(JSON.parse(answer.text).error, message);
  });
}

const badHeaders: readonly string[] = ['-1', '1e3', 'abc', '9999', '0x10', ' ', '1,2', '99999999999999999999'];

for (const header of badHeaders) {
  test(`a JSON length of "${header}" is a bad request`, async () => {
    const head = `POST /v2/models/scale/infer HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n`;
    const answer = await raw(server.url, `${head}inference-header-content-length: ${header}\r\n\r\n{}`);
    assert.match(answer, /^HTTP\/1.1 400 /);
    assert.match(answer, /inference-header-content-length must be a number from 0 to 2/);
  });
}

const badParts: readonly [string, unknown, Buffer, RegExp][] = [
  ['a part cut short', { inputs: [x(8)] }, floats(1), /states 8 bytes of binary data, 4 are left/],
  ['1 GB stated and 10 bytes sent', { inputs: [x(2 ** 30)] }, Buffer.alloc(10), /states 1073741824 bytes .* 10 are/],
  ['bytes left over', { inputs: [x(8)] }, floats(1, 2, 3), /ends with 4 bytes that no input states/],
  ['a size that is not the shape’s', { inputs: [x(4)] }, floats(1), /holds 8 bytes, the binary data has 4/],
  ['a negative size', { inputs: [x(-8)] }, floats(1, 2), /binary_data_size of input "x" must be a whole number/],
  ['a fractional size', { inputs: [x(7.5)] }, floats(1, 2), /binary_data_size of input "x" must be a whole number/],
  ['a size that is text', { inputs: [{ ...x(8), parameters: { binary_data_size: '8' } }] }, floats(1, 2), /got "8"/],
  ['a huge shape', { inputs: [x(8, [2 ** 40, 2])] }, floats(1, 2), /holds 8796093022208 bytes/],
  ['JSON that ends early', '{"inputs":[', Buffer.alloc(4), /not valid JSON|must be a JSON object/],
];

for (const [name, request, bytes, message] of badParts) {
  test(`a binary request with ${name} is a bad request`, async () => {
    const answer = await send('scale', request, bytes);
    assert.equal(answer.status, 400, answer.text);
    assert.match(JSON.parse(answer.text).error, message);
  });
}

for (const [encoding, pack] of [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
] as const) {
  test(`a ${encoding} body is unpacked; its JSON length counts the unpacked body`, async () => {
    const json = Buffer.from(JSON.stringify({ inputs: [x(8)] }));
    const answer = await sendBytes(`${server.url}/v2/models/scale/infer`, pack(Buffer.concat([json, floats(1, 2)])), {
      'content-encoding': encoding,
      'inference-header-content-length': String(json.length),
    });
    assert.deepEqual(answer.json.outputs[0]?.data, [2, 4]);
    const v1 = await sendBytes(`${server.url}/v1/models/scale:predict`, pack('{"instances":[[1,2]]}'), {
      'content-encoding': encoding,
    });
    assert.equal(v1.text, '{"predictions":[{"y":[2,4],"label":1}]}');
  });

  test(`a ${encoding} body that is broken is a bad request, a bomb is too large`, async () => {
    const url = `${server.url}/v2/models/scale/infer`;
    const cut = pack(Buffer.alloc(1000, 'x')).subarray(0, 15);
    for (const body of [Buffer.from('not packed'), cut]) {
      const answer = await sendBytes(url, body, { 'content-encoding': encoding });
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.text, new RegExp(`the body is not valid ${encoding}`));
    }
    const bomb = await sendBytes(url, pack(Buffer.alloc(64 * 1024 * 1024)), { 'content-encoding': encoding });
    assert.equal(bomb.status, 413);
    assert.match(bomb.text, /unpacks to more than this server's limit of 262144 bytes/);
  });
}

test('a request too large to be is refused by its length alone', async () => {
  const head = `POST /v2/models/scale/infer HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1073741824\r\n\r\n`;
  const answer = await raw(server.url, `${head}0123456789`);
  assert.match(answer, /^HTTP\/1.1 413 /);
  assert.match(answer, /larger than this server's limit of 262144 bytes/);
});
