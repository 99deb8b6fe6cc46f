// An answer is read alike by a live ladder, a stored comparison and `sluice tune`, and as the model server wrote it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { answerIn } from '../../../gateway/cli/tune/answer-in.ts';
import { highestConfidence } from '../../../gateway/compare/comparators/classification.ts';
import { readAnswer } from '../../../gateway/compare/read.ts';
import { confidenceIn } from '../../../gateway/decide/confidence.ts';
import { isKey, keyOf, partsOf } from '../../../gateway/statistics/sums.ts';
import { parseJson } from '../../../model-server/http/json.ts';
import { readBytes, writeBytes } from '../../../model-server/http/tensor-bytes.ts';
import { writeFlat, writeNested } from '../../../model-server/http/tensor-text.ts';
import { answerOf, outputNamed } from '../../../model-server/protocol/answer.ts';
import { DATATYPES, type Datatype } from '../../../model-server/protocol/names.ts';
import { ANSWER_BYTES, SERVER_BYTES } from '../../../model-server/protocol/readers.ts';
import { readBinary } from '../../../model-server/protocol/tensor-bytes.ts';
import { readData, type Tensor } from '../../../model-server/run/tensors.ts';

type Body = { readonly body: Buffer; readonly headerLength: number | undefined };

function json(...outputs: readonly string[]): Body {
  return { body: Buffer.from(`{"outputs":[${outputs.join(',')}]}`), headerLength: undefined };
}

function binary(outputs: readonly object[], ...parts: readonly Buffer[]): Body {
  const head = Buffer.from(JSON.stringify({ outputs }));
  return { body: Buffer.concat([head, ...parts]), headerLength: head.length };
}

/** The output `p` as binary, with these bytes. */
function bytes(datatype: string, shape: readonly number[], part: Buffer, size: unknown = part.length): Body {
  return binary([{ name: 'p', datatype, shape, parameters: { binary_data_size: size } }], part);
}

/** How sure the answer is and which class it names, as each reads it. */
function readings({ body, headerLength }: Body) {
  const side = { body, contentType: 'application/json', encoding: undefined, headerLength };
  const reading = readAnswer(side, { as: 'classification', output: 'p' });
  const stored =
    reading.kind === 'outputs' ? reading.outputs.find((_, i, all) => all.length === 1 || i === 0) : undefined;
  const answer = answerIn(body, 'p', true, headerLength);
  return {
    live: confidenceIn({ from: 'output', name: 'p', as: 'max' }, body, headerLength?.toString())?.toFixed(2),
    stored: stored && highestConfidence(stored)?.toFixed(2),
    answer: 'answer' in answer ? answer.answer : undefined,
  };
}

const SURE = { live: '0.80', stored: '0.80', answer: '1' };
const NOTHING = { live: undefined, stored: undefined, answer: undefined };
const halves = (...bits: readonly number[]) => Buffer.from(Uint16Array.from(bits).buffer);
const floats = (...values: readonly number[]) => Buffer.from(Float32Array.from(values).buffer);

const READ: readonly [string, Body][] = [
  ['FP32 as JSON', json('{"name":"p","datatype":"FP32","shape":[1,2],"data":[0.2,0.8]}')],
  ['FP32 as nested JSON', json('{"name":"p","datatype":"FP32","shape":[1,2],"data":[[0.2,0.8]]}')],
  ['FP32 as bytes', bytes('FP32', [1, 2], floats(0.2, 0.8))],
  ['FP16 as bytes', bytes('FP16', [1, 2], halves(0x3266, 0x3a66))],
  ['BF16 as bytes', bytes('BF16', [1, 2], halves(0x3e4d, 0x3f4d))],
  [
    '11 dimensions',
    json(
      `{"name":"p","datatype":"FP32","shape":[1,1,1,1,1,1,1,1,1,1,2],"data":${'['.repeat(11)}0.2,0.8${']'.repeat(11)}}`,
    ),
  ],
  [
    'NaN in another output',
    json(
      '{"name":"p","datatype":"FP32","shape":[1,2],"data":[0.2,0.8]}',
      '{"name":"a","datatype":"FP32","shape":[1],"data":[NaN]}',
    ),
  ],
  ["v1's rows", { body: Buffer.from('{"predictions":[[0.2,0.8]]}'), headerLength: undefined }],
  ["v1's rows by name", { body: Buffer.from('{"predictions":[{"p":[0.2,0.8]}]}'), headerLength: undefined }],
  ["v1's columns by name", { body: Buffer.from('{"outputs":{"p":[[0.2,0.8]]}}'), headerLength: undefined }],
  ["v1's only column", { body: Buffer.from('{"outputs":[[0.2,0.8]]}'), headerLength: undefined }],
];

for (const [what, body] of READ)
  test(`an answer of ${what} is read alike by all`, () => assert.deepEqual(readings(body), SURE));

const UNREAD: readonly [string, Body][] = [
  ['arrays that its shape does not have', json('{"name":"p","datatype":"FP32","shape":[2],"data":[[0.2,0.8]]}')],
  ['uneven rows', json('{"name":"p","datatype":"FP32","shape":[2,2],"data":[[0.8],[0.2,0.6,0.4]]}')],
  ['a shape of texts', json('{"name":"p","datatype":"FP32","shape":["2"],"data":[0.2,0.8]}')],
  ['a shape below zero', json('{"name":"p","datatype":"FP32","shape":[-1,-2],"data":[0.2,0.8]}')],
  ['a number without an array', json('{"name":"p","datatype":"FP32","shape":[1],"data":0.8}')],
  ['more bytes than its shape says', bytes('FP32', [1, 2], Buffer.concat([floats(0.2, 0.8), Buffer.alloc(2)]))],
  ['a size that is no whole number', bytes('FP32', [1, 2], floats(0.2, 0.8), 8.5)],
  ['a size that is text', bytes('FP32', [1, 2], floats(0.2, 0.8), '8')],
  ['bytes that are missing', bytes('FP32', [1, 2], floats(0.2), 8)],
  [
    'a size below zero before it',
    binary(
      [
        { name: 'a', datatype: 'FP32', shape: [0], parameters: { binary_data_size: -4 } },
        { name: 'p', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } },
      ],
      floats(0.2, 0.8, 0),
    ),
  ],
];

for (const [what, body] of UNREAD)
  test(`an answer with ${what} is read by none`, () => assert.deepEqual(readings(body), NOTHING));

test("uneven rows of v1's predictions have no confidence", () => {
  const body = Buffer.from('{"predictions":[[[0.8,0.2],[0.9,0.1]],[[0.8],[0.2,0.9,0.1]]]}');
  assert.deepEqual({ ...readings({ body, headerLength: undefined }), answer: undefined }, NOTHING);
});

test('an output that is not asked for may be broken: only a comparison looks at all', () => {
  const body = json(
    '{"name":"p","datatype":"FP32","shape":[1,2],"data":[0.2,0.8]}',
    '{"name":"a","datatype":"FP32","shape":[3],"data":[1]}',
  );
  assert.deepEqual(readings(body), { ...SURE, stored: undefined });
});

const REASONS: readonly [string, string, RegExp][] = [
  ['no datatype', '{"outputs":[{"name":"p","data":[7]}]}', /^an output without a datatype: "p"$/],
  ['uneven rows', '{"predictions":[[0.1,0.9],[0.5]]}', /^output p has rows of different length$/],
  [
    'rows that its shape does not have',
    '{"outputs":[{"name":"p","datatype":"FP32","shape":[3],"data":[1]}]}',
    /^output p: .*3/,
  ],
  ['another output', '{"outputs":[{"name":"q","datatype":"FP32","shape":[1],"data":[1]}]}', /^it has no output p$/],
  ['no shape', '{"outputs":[{"name":"p","datatype":"FP32","data":[1]}]}', /lacks its name, datatype or shape/],
  ['an empty output', '{"predictions":[]}', /has no value/],
  ['an object', '{"predictions":[{"p":{"a":1}}]}', /^output p has values that are neither/],
  ['a text in place of scores', '{"predictions":[["spam","ham"]]}', /^output p holds what is no number$/],
  ['neither protocol', '[1]', /neither outputs nor predictions/],
  ['no JSON', '<html>', /JSON/],
];

for (const [what, body, reason] of REASONS)
  test(`an answer of ${what} says why no answer is read from it`, () => {
    const found = answerIn(Buffer.from(body), 'p', true);
    assert.match('reason' in found ? found.reason : found.answer, reason);
  });

/** One element of BYTES, as the gateway reads it. */
function textOf(bytes: Buffer): unknown {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return readBinary(Buffer.concat([length, bytes]), 'BYTES', [1], ANSWER_BYTES)[0];
}

test('a text that is no UTF-8 is like no text that is', () => {
  const hex = (digits: string) => textOf(Buffer.from(digits, 'hex'));
  assert.equal(hex('c3a9'), 'é');
  assert.equal(hex('e9'), '\udce9');
  assert.equal(hex('636166c3a9e9'), 'café\udce9');
  assert.notEqual(hex('ff'), hex('fe'));
  assert.equal(hex('ff'), hex('ff'));
  // Longer than need be, half a surrogate pair, beyond U+10FFFF, cut short.
  for (const bad of ['c080', 'e08080', 'eda080', 'f4908080', 'e282', 'f09f98', 'efbfbdff'])
    assert.equal(
      hex(bad),
      Buffer.from(bad, 'hex')
        .toString('latin1')
        .replace(/^ï¿½/, '\ufffd')
        .replace(/[\x80-\xff]/g, escaped),
    );
});

test('every text of bytes has its own reading, from which the bytes can be had', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 4 }).map(Buffer.from),
    fc.string({ unit: 'grapheme', maxLength: 3 }).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 4 }), (pieces) => {
      const bytes = Buffer.concat(pieces);
      const text = String(textOf(bytes));
      assert.deepEqual(
        Buffer.concat(
          [...text].map((each) =>
            /[\udc80-\udcff]/u.test(each) ? Buffer.from([each.charCodeAt(0) - 0xdc00]) : Buffer.from(each),
          ),
        ),
        bytes,
      );
      if (bytes.equals(Buffer.from(bytes.toString()))) assert.equal(text, bytes.toString());
      assert.equal(JSON.parse(Buffer.from(JSON.stringify(text)).toString()), text);
      const key = keyOf(text, 'a');
      assert.ok(isKey(key));
      assert.deepEqual(partsOf(Buffer.from(key).toString()), [text, 'a']);
    }),
    { numRuns: 1000 },
  );
});

function escaped(character: string): string {
  return String.fromCharCode(0xdc00 + character.charCodeAt(0));
}

test('texts that are no UTF-8 stay different, and the model server refuses them', () => {
  const text = (byte: number) => Buffer.from([1, 0, 0, 0, byte]);
  assert.notDeepEqual(
    readBinary(text(0xff), 'BYTES', [1], ANSWER_BYTES),
    readBinary(text(0xfe), 'BYTES', [1], ANSWER_BYTES),
  );
  assert.throws(() => readBinary(text(0xff), 'BYTES', [1], SERVER_BYTES), /UTF-8/);
  const meant = Buffer.concat([Buffer.from([3, 0, 0, 0]), Buffer.from('\ufffd')]);
  for (const rules of [ANSWER_BYTES, SERVER_BYTES])
    assert.deepEqual(readBinary(meant, 'BYTES', [1], rules), ['\ufffd']);
});

test('FP16 has its subnormals, infinities and NaN', () => {
  const read = (bits: number) => readBinary(halves(bits), 'FP16', [1], ANSWER_BYTES)[0];
  const table: readonly [number, number][] = [
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x7bff, 65_504],
    [0xfbff, -65_504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x3555, 0.333251953125],
    [0x7e00, Number.NaN],
    [0xfe01, Number.NaN],
    [0x8000, -0],
  ];
  for (const [bits, value] of table) assert.ok(Object.is(read(bits), value), bits.toString(16));
});

const DATATYPE = fc.constantFrom(...(Object.keys(DATATYPES) as Datatype[]).filter((each) => each !== 'FP16'));

/** A tensor of the model server, of any datatype that has a JSON form. */
const tensor: fc.Arbitrary<Tensor> = fc
  .tuple(DATATYPE, fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }))
  .chain(([datatype, shape]): fc.Arbitrary<Tensor> => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    const { array } = DATATYPES[datatype];
    if (array === undefined)
      return fc
        .array(
          fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', '')),
          {
            minLength: count,
            maxLength: count,
          },
        )
        .map((data) => ({ name: 'p', datatype, shape, data }));
    const size = count * array.BYTES_PER_ELEMENT;
    return fc.uint8Array({ minLength: size, maxLength: size }).map((random) => {
      const own = datatype === 'BOOL' ? random.map((byte) => byte & 1) : random;
      const data = new array(new Uint8Array(own).buffer);
      // JSON knows one NaN and one zero.
      if (data instanceof Float32Array || data instanceof Float64Array)
        data.forEach((value, i) => {
          if (Number.isNaN(value) || value === 0) data[i] = Number.isNaN(value) ? Number.NaN : 0;
        });
      return { name: 'p', datatype, shape, data };
    });
  });

test('whatever tensor the model server writes, as JSON or bytes, the gateway and the server itself read the same', () => {
  fc.assert(
    fc.property(tensor, (written) => {
      const { datatype, shape } = written;
      const head = `"name":"p","datatype":"${datatype}","shape":[${shape}]`;
      const isBool = datatype === 'BOOL';
      const elements = Array.from(written.data as ArrayLike<unknown>, (value) => (isBool ? Boolean(value) : value));
      for (const data of [writeFlat(written), shape.length === 0 ? writeFlat(written) : writeNested(written)]) {
        assert.deepEqual(valuesOf(json(`{${head},"data":${data}}`)), elements.map(plain));
        assert.deepEqual(readData(exact(data), datatype, shape, 'p'), written.data);
      }
      const sent = writeBytes(written);
      assert.deepEqual(valuesOf(bytes(datatype, shape, sent)), Array.from(written.data as ArrayLike<unknown>, plain));
      assert.deepEqual(readBytes(sent, datatype, shape, 'p'), written.data);
    }),
    { numRuns: 1000 },
  );
});

/** An integer as a comparison has it: a bigint only where a double cannot hold it, so that texts and bytes compare alike. */
function plain(value: unknown): unknown {
  return typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function valuesOf({ body, headerLength }: Body): unknown[] {
  const side = { body, contentType: 'application/json', encoding: undefined, headerLength };
  const reading = readAnswer(side, { as: 'exact' });
  if (reading.kind !== 'outputs') assert.fail(reading.reason);
  const text = body.toString('utf8', 0, headerLength ?? body.length);
  const binaryPart = body.subarray(headerLength ?? body.length);
  if (headerLength !== undefined) {
    const found = answerOf(JSON.parse(text), binaryPart);
    assert.deepEqual(found && outputNamed(found, 'p')?.decode(), reading.outputs[0]);
  }
  return Array.from((reading.outputs[0]?.values ?? []) as ArrayLike<unknown>, plain);
}

function exact(data: string): unknown {
  return parseJson(Buffer.from(data), { exact: true });
}
