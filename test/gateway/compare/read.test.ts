import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readAnswer } from '../../../gateway/compare/read.ts';
import type { CompareSpec } from '../../../gateway/compare/spec.ts';
import type { Side } from '../../../gateway/flow.ts';
import { binary, side, v2 } from './answers.ts';

const SPEC: CompareSpec = { as: 'exact' };

function outputsOf(answer: Side, spec = SPEC) {
  const reading = readAnswer(answer, spec);
  assert.equal(reading.kind, 'outputs');
  return reading.kind === 'outputs'
    ? reading.outputs.map(({ name, datatype, shape, values }) => [
        name,
        datatype,
        [...shape],
        [...Array.from(values as ArrayLike<unknown>)],
      ])
    : [];
}

function reasonOf(answer: Side, spec = SPEC, kind: 'unreadable' | 'beyond' = 'unreadable'): string {
  const reading = readAnswer(answer, spec);
  if (reading.kind === 'outputs') assert.fail('it was read');
  assert.equal(reading.kind, kind);
  return reading.reason;
}

test('v2: nested and flat data are the same, and the model’s own confidence is taken', () => {
  const nested = v2({
    name: 'y',
    datatype: 'FP32',
    shape: [2, 2],
    data: [
      [1, 2],
      [3, 4],
    ],
  });
  const flat = v2({ name: 'y', datatype: 'FP32', shape: [2, 2], data: [1, 2, 3, 4] });
  assert.deepEqual(outputsOf(side(nested)), outputsOf(side(flat)));
  assert.deepEqual(outputsOf(side(flat)), [['y', 'FP32', [2, 2], [1, 2, 3, 4]]]);
  const confident = JSON.stringify({ parameters: { confidence: 0.75 }, outputs: [] });
  assert.deepEqual(readAnswer(side(confident), SPEC), { kind: 'outputs', outputs: [], confidence: 0.75 });
  for (const confidence of [2, -1, '0.5', null, [0.5]]) {
    const reading = readAnswer(side(JSON.stringify({ parameters: { confidence }, outputs: [] })), SPEC);
    assert.equal(reading.kind === 'outputs' && reading.confidence, undefined);
  }
});

test('v2: NaN, Infinity and integers beyond 2^53 are read as they were written', () => {
  const text =
    '{"outputs":[{"name":"y","datatype":"INT64","shape":[2],"data":[9007199254740993,-1]},{"name":"z","datatype":"FP32","shape":[3],"data":[NaN,-Infinity,Infinity]}]}';
  assert.deepEqual(outputsOf(side(text)), [
    ['y', 'INT64', [2], [9007199254740993n, -1]],
    ['z', 'FP32', [3], [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]],
  ]);
  assert.deepEqual(outputsOf(side(text.replace('NaN,-Infinity,Infinity', '1,2,3')))[0]?.[3], [9007199254740993n, -1]);
});

test('v2: binary tensors of every datatype, mixed with JSON', () => {
  const doubles = Buffer.alloc(16);
  doubles.writeDoubleLE(1.5, 0);
  doubles.writeDoubleLE(Number.NaN, 8);
  const longs = Buffer.alloc(8);
  longs.writeBigInt64LE(-(2n ** 62n));
  const words = Buffer.concat([Buffer.from([2, 0, 0, 0]), Buffer.from('hi'), Buffer.from([0, 0, 0, 0])]);
  const halves = Buffer.from([0x00, 0x3c, 0x00, 0xc0]); // 1 and -2
  const brain = Buffer.from([0x80, 0x3f]); // 1
  const tensor = (name: string, datatype: string, shape: number[], size: number) => ({
    name,
    datatype,
    shape,
    parameters: { binary_data_size: size },
  });
  const answer = binary(
    [
      tensor('d', 'FP64', [2], 16),
      { name: 'j', datatype: 'BOOL', shape: [1], data: [true] },
      tensor('l', 'INT64', [1], 8),
      tensor('w', 'BYTES', [2], words.length),
      tensor('h', 'FP16', [2], 4),
      tensor('b', 'BF16', [1], 2),
      tensor('o', 'BOOL', [2], 2),
    ],
    doubles,
    longs,
    words,
    halves,
    brain,
    Buffer.from([0, 1]),
  );
  assert.deepEqual(outputsOf(answer), [
    ['d', 'FP64', [2], [1.5, Number.NaN]],
    ['j', 'BOOL', [1], [true]],
    ['l', 'INT64', [1], [-(2n ** 62n)]],
    ['w', 'BYTES', [2], ['hi', '']],
    ['h', 'FP16', [2], [1, -2]],
    ['b', 'BF16', [1], [1]],
    ['o', 'BOOL', [2], [0, 1]],
  ]);
});

test('v1: rows of arrays, of objects, and outputs by name', () => {
  const rows = JSON.stringify({
    predictions: [
      [0.1, 0.9],
      [0.5, 0.5],
    ],
  });
  assert.deepEqual(outputsOf(side(rows)), [['predictions', 'JSON', [2, 2], [0.1, 0.9, 0.5, 0.5]]]);
  const objects = JSON.stringify({
    predictions: [
      { p: [0.1], label: 'a' },
      { p: [0.2], label: 'b' },
    ],
  });
  assert.deepEqual(outputsOf(side(objects)), [
    ['p', 'JSON', [2, 1], [0.1, 0.2]],
    ['label', 'JSON', [2], ['a', 'b']],
  ]);
  const named = JSON.stringify({ outputs: { score: [1, 2], name: 'x' } });
  assert.deepEqual(outputsOf(side(named)), [
    ['score', 'JSON', [2], [1, 2]],
    ['name', 'JSON', [], ['x']],
  ]);
  const ragged = JSON.stringify({ predictions: [[1], [2, 3]] });
  assert.deepEqual(outputsOf(side(ragged)), [['predictions', 'JSON', [], [[[1], [2, 3]]]]]);
});

test('any JSON is read as a whole, or at a path', () => {
  const body = JSON.stringify({ result: { scores: [1, 2], text: 'hi' } });
  assert.deepEqual(outputsOf(side(body), { as: 'regression', output: 'result.scores' }), [
    ['result.scores', 'JSON', [2], [1, 2]],
  ]);
  assert.deepEqual(outputsOf(side(body), { as: 'text', output: 'result.text' }), [['result.text', 'JSON', [], ['hi']]]);
  assert.deepEqual(outputsOf(side(body), { as: 'regression', output: 'result.none' }), []);
  assert.deepEqual(outputsOf(side(body), { as: 'json' }), [['body', 'JSON', [], [JSON.parse(body)]]]);
  assert.deepEqual(outputsOf(side('plain words', { contentType: 'text/plain' }), { as: 'text' }), [
    ['body', 'JSON', [], ['plain words']],
  ]);
  assert.deepEqual(outputsOf(side(body, { contentType: '' }), { as: 'json' })[0]?.[0], 'body');
});

const broken: readonly [string, Side, RegExp][] = [
  ['nothing', side(''), /empty/],
  ['half of it', side('{"outputs":['), /JSON/],
  ['two documents', side('{} {}'), /JSON/],
  [
    'an output without a shape',
    side(v2({ name: 'y', datatype: 'FP32', data: [1] })),
    /lacks its name, datatype or shape/,
  ],
  ['a shape of halves', side(v2({ name: 'y', datatype: 'FP32', shape: [0.5], data: [1] })), /lacks/],
  [
    'less data than the shape',
    side(v2({ name: 'y', datatype: 'FP32', shape: [3], data: [1] })),
    /shape \[3\] holds 3 elements, data has 1/,
  ],
  ['no data', side(v2({ name: 'y', datatype: 'FP32', shape: [1] })), /output y: data must be an array/],
  ['a header length beyond the body', side('{}', { headerLength: 99 }), /out of range/],
  ['a negative header length', side('{}', { headerLength: -1 }), /out of range/],
  [
    'bytes that are not there',
    binary([{ name: 'y', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } }]),
    /are missing/,
  ],
  [
    'bytes of half a number',
    binary([{ name: 'y', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 3 } }], Buffer.alloc(3)),
    /shape \[1\] of FP32 holds 4 bytes, the binary data has 3/,
  ],
  [
    'a string longer than its tensor',
    binary(
      [{ name: 'y', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: 4 } }],
      Buffer.from([9, 0, 0, 0]),
    ),
    /element 0 of BYTES ends 9 bytes after the data/,
  ],
];

for (const [name, answer, reason] of broken)
  test(`${name} is unreadable`, () => assert.match(reasonOf(answer), reason));

/** Answers that may be sound, and that are not compared all the same. */
const beyond: readonly [string, Side, RegExp][] = [
  [
    'an unknown binary datatype',
    binary([{ name: 'y', datatype: 'FP8', shape: [1], parameters: { binary_data_size: 1 } }], Buffer.alloc(1)),
    /FP8/,
  ],
  ['20,000 nested arrays', side(`${'['.repeat(20_000)}${']'.repeat(20_000)}`), /deeper/],
  ['20,000 nested arrays around NaN', side(`${'['.repeat(20_000)}NaN${']'.repeat(20_000)}`), /deeper/],
  ['four megabytes of JSON', side(`[${'1,'.repeat(2.1 * 1024 * 1024)}1]`), /larger than 4194304 bytes/],
  ['a coding that is not known here', side('{}', { encoding: 'zstd' }), /compressed as zstd/],
];

for (const [name, answer, reason] of beyond)
  test(`${name} is beyond what is compared`, () => assert.match(reasonOf(answer, SPEC, 'beyond'), reason));

test('whatever the bytes are, reading them ends without a throw', () => {
  const specs = (['classification', 'regression', 'ranking', 'embedding', 'text', 'json', 'exact'] as const).map(
    (as) => ({ as }),
  );
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(text)),
  );
  const headerLength = fc.oneof(fc.constant(undefined), fc.integer({ min: -5, max: 300 }));
  fc.assert(
    fc.property(body, headerLength, fc.constantFrom(...specs), (bytes, length, spec) => {
      assert.ok(
        ['outputs', 'unreadable', 'beyond'].includes(readAnswer(side(bytes, { headerLength: length }), spec).kind),
      );
    }),
    { numRuns: 2000 },
  );
});
