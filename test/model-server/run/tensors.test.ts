import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { RequestError } from '../../../model-server/errors.ts';
import { writeFlat, writeNested, writeRows } from '../../../model-server/http/tensor-text.ts';
import type { Datatype } from '../../../model-server/protocol/names.ts';
import type { TensorData } from '../../../model-server/protocol/tensor-bytes.ts';
import { readData, readShape, shapeOf } from '../../../model-server/run/tensors.ts';

const good: readonly [Datatype, number[], unknown, TensorData][] = [
  ['FP32', [2, 2], [1, 2, 3, 4.5], Float32Array.of(1, 2, 3, 4.5)],
  [
    'FP32',
    [2, 2],
    [
      [1, 2],
      [3, 4],
    ],
    Float32Array.of(1, 2, 3, 4),
  ],
  ['FP64', [1, 2, 1], [[[0.1], [1e300]]], Float64Array.of(0.1, 1e300)],
  [
    'FP32',
    [3],
    [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  ],
  ['FP32', [], 7, Float32Array.of(7)],
  ['FP32', [], [7], Float32Array.of(7)],
  ['BOOL', [2], [true, false], Uint8Array.of(1, 0)],
  ['UINT8', [2], [0, 255], Uint8Array.of(0, 255)],
  ['UINT16', [1], [65535], Uint16Array.of(65535)],
  ['UINT32', [1], [4294967295], Uint32Array.of(4294967295)],
  ['UINT64', [2], [0, 9007199254740991], BigUint64Array.of(0n, 9007199254740991n)],
  ['INT8', [2], [-128, 127], Int8Array.of(-128, 127)],
  ['INT16', [2], [-32768, 32767], Int16Array.of(-32768, 32767)],
  ['INT32', [2], [-2147483648, 2147483647], Int32Array.of(-2147483648, 2147483647)],
  ['INT64', [2], [-9007199254740991, 5], BigInt64Array.of(-9007199254740991n, 5n)],
  ['INT64', [2], [-(2n ** 63n), 2n ** 63n - 1n], BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)],
  ['UINT64', [1], [2n ** 64n - 1n], BigUint64Array.of(2n ** 64n - 1n)],
  ['FP64', [1], [2n ** 60n], Float64Array.of(2 ** 60)],
  ['BYTES', [2, 1], [['a'], ['é']], ['a', 'é']],
];

for (const [datatype, shape, data, expected] of good) {
  test(`${datatype} [${shape}] reads ${inspect(data)}`, () => {
    assert.deepEqual(readData(data, datatype, shape, 'input "x"'), expected);
  });
}

const bad: readonly [Datatype, number[], unknown, RegExp][] = [
  ['FP32', [2], [1], /shape \[2\] holds 2 elements, data has 1/],
  ['FP32', [1], [1, 2], /shape \[1\] holds 1 elements, data has 2/],
  ['FP32', [2, 2], [[1, 2], [3]], /asks for 2 elements, data has 1 at level 2/],
  ['FP32', [2, 2], [[1, 2]], /asks for 2 elements, data has 1 at level 1/],
  ['FP32', [2, 2], [[1, 2], 3], /neither flat nor nested/],
  [
    'FP32',
    [2, 2],
    [
      [[1], [2]],
      [3, 4],
    ],
    /element 0 of data must be a number/,
  ],
  ['FP32', [1000000000, 1000000], [1], /data has 1/],
  ['FP32', [1], 'abc', /data must be an array, got "abc"/],
  ['FP32', [1], undefined, /data must be an array, got undefined/],
  ['FP32', [1], { length: 1, 0: 1 }, /data must be an array, got an object/],
  ['FP32', [1], ['1'], /element 0 of data must be a number that FP32 can hold, got "1"/],
  ['FP32', [1], [null], /got null/],
  ['FP32', [1], [true], /got true/],
  ['FP32', [1], [1e39], /FP32 can hold, got 1e\+39/],
  ['FP64', [1], ['NaN'], /got "NaN"/],
  ['BOOL', [1], [1], /must be true or false, got 1/],
  ['UINT8', [1], [256], /whole number within UINT8, got 256/],
  ['UINT8', [1], [-1], /got -1/],
  ['INT8', [1], [128], /got 128/],
  ['INT32', [1], [1.5], /got 1.5/],
  ['INT32', [1], ['1'], /got "1"/],
  ['INT32', [1], [2147483648], /got 2147483648/],
  ['INT64', [1], [2 ** 53], /whole number within INT64, got 9007199254740992/],
  ['INT64', [1], [2n ** 63n], /whole number within INT64, got 9223372036854775808/],
  ['UINT64', [1], [-1n], /whole number within UINT64, got -1/],
  ['INT64', [1], [Number.NaN], /got NaN/],
  ['UINT64', [1], [-1], /got -1/],
  ['BYTES', [1], [1], /must be a string without NUL, got 1/],
  ['BYTES', [1], ['a\u0000b'], /without NUL/],
  ['FP16', [1], [1], /FP16 has no JSON form/],
];

for (const [datatype, shape, data, message] of bad) {
  test(`${datatype} [${shape}] refuses ${inspect(data)}: ${message.source}`, () => {
    assert.throws(
      () => readData(data, datatype, shape, 'input "x"'),
      (error) => {
        assert.ok(error instanceof RequestError);
        assert.equal(error.ending, 'bad_request');
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

const badShapes: readonly unknown[] = [
  undefined,
  null,
  'x',
  5,
  {},
  [0],
  [1, 0],
  [-1, 784],
  [1.5],
  ['1'],
  [null],
  [Number.NaN],
  [Number.POSITIVE_INFINITY],
  [2 ** 31, 2 ** 31],
  [1e300],
  new Array(17).fill(1),
];

for (const shape of badShapes) {
  test(`a shape of ${JSON.stringify(shape)} is refused`, () => {
    assert.throws(() => readShape(shape, 'input "x"'), RequestError);
  });
}

test('the shape of nested arrays is that of their first elements', () => {
  assert.deepEqual(shapeOf([[[1, 2]], [[3, 4]]], 'x'), [2, 1, 2]);
  assert.deepEqual(shapeOf(5, 'x'), []);
  assert.throws(() => shapeOf([], 'x'), /at least 1/);
  assert.throws(() => shapeOf(JSON.parse('['.repeat(50) + ']'.repeat(50)), 'x'), /deeper than 16/);
});

const written: readonly [Datatype, number[], TensorData, string, string][] = [
  ['FP32', [2, 2], Float32Array.of(1, -0.5, 3, 1e-9), '[1,-0.5,3,', '[[1,-0.5],[3,'],
  ['FP32', [3], Float32Array.of(Number.NaN, 1 / 0, -1 / 0), '[NaN,Infinity,-Infinity]', '[NaN,Infinity,-Infinity]'],
  ['INT64', [1], BigInt64Array.of(-(2n ** 63n)), '[-9223372036854775808]', '[-9223372036854775808]'],
  ['UINT64', [1], BigUint64Array.of(2n ** 64n - 1n), '[18446744073709551615]', '[18446744073709551615]'],
  ['BOOL', [2, 1], Uint8Array.of(1, 0), '[true,false]', '[[true],[false]]'],
  ['BYTES', [1, 2], ['a"b', '\u2028'], '["a\\"b","\u2028"]', '[["a\\"b","\u2028"]]'],
  ['FP32', [], Float32Array.of(7), '[7]', '7'],
  ['FP32', [0, 2], Float32Array.of(), '[]', '[]'],
];

for (const [datatype, shape, data, flat, nested] of written) {
  test(`${datatype} [${shape}] is written as ${flat} and ${nested}`, () => {
    const tensor = { name: 'y', datatype, shape, data };
    assert.ok(writeFlat(tensor).startsWith(flat), writeFlat(tensor));
    assert.ok(writeNested(tensor).startsWith(nested), writeNested(tensor));
  });
}

test('rows are the parts of a tensor along its first dimension', () => {
  const data = Float32Array.of(1, 2, 3, 4);
  assert.deepEqual(writeRows({ name: 'y', datatype: 'FP32', shape: [2, 2], data }), ['[1,2]', '[3,4]']);
  assert.deepEqual(writeRows({ name: 'y', datatype: 'FP32', shape: [4], data }), ['1', '2', '3', '4']);
  assert.deepEqual(writeRows({ name: 'y', datatype: 'FP32', shape: [2, 1, 2], data }), ['[[1,2]]', '[[3,4]]']);
});
