import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestError } from '../../../model-server/errors.ts';
import { readBytes, writeBytes } from '../../../model-server/http/tensor-bytes.ts';
import type { Datatype } from '../../../model-server/protocol/names.ts';
import type { TensorData } from '../../../model-server/protocol/tensor-bytes.ts';

const cases: readonly [Datatype, readonly number[], string, TensorData][] = [
  ['BOOL', [2], '0100', Uint8Array.of(1, 0)],
  ['UINT8', [2], '00ff', Uint8Array.of(0, 255)],
  ['UINT16', [1], 'fffe', Uint16Array.of(0xfeff)],
  ['UINT32', [1], '01000080', Uint32Array.of(0x80000001)],
  ['UINT64', [1], 'ffffffffffffffff', BigUint64Array.of(2n ** 64n - 1n)],
  ['INT8', [2], '807f', Int8Array.of(-128, 127)],
  ['INT16', [1], '0080', Int16Array.of(-32768)],
  ['INT32', [1], 'ffffffff', Int32Array.of(-1)],
  ['INT64', [1], '0000000000000080', BigInt64Array.of(-(2n ** 63n))],
  ['FP16', [2], '003c00c0', Uint16Array.of(0x3c00, 0xc000)],
  ['FP32', [1, 2], '0000803f0000c07f', Float32Array.of(1, Number.NaN)],
  ['FP64', [1], '000000000000f03f', Float64Array.of(1)],
  ['BYTES', [3], '010000006100000000020000 00c3a9'.replace(' ', ''), ['a', '', 'é']],
];

for (const [datatype, shape, hex, data] of cases) {
  test(`${datatype} [${shape}] is ${hex} as bytes, little-endian, both ways`, () => {
    // From an odd position, as a tensor behind JSON mostly stands.
    const bytes = Buffer.from(`78${hex}`, 'hex').subarray(1);
    const read = readBytes(bytes, datatype, shape, 'input "x"');
    assert.deepEqual(read, data);
    assert.equal(writeBytes({ name: 'x', datatype, shape, data: read }).toString('hex'), hex);
    if (!Array.isArray(read)) {
      assert.notEqual(read.buffer, bytes.buffer, 'it has memory of its own');
    }
  });
}

test('aligned bytes that are nearly all of their memory are taken over, others are copied', () => {
  const read = (memory: ArrayBuffer, start: number) =>
    readBytes(Buffer.from(memory, start, 16), 'FP32', [4], 'x') as Float32Array;
  const own = new ArrayBuffer(24);
  assert.equal(read(own, 8).buffer, own);
  assert.notEqual(read(own, 3).buffer, own, 'not aligned');
  const shared = new ArrayBuffer(64);
  assert.notEqual(read(shared, 8).buffer, shared, 'others live there');
});

const bad: readonly [string, Datatype, readonly number[], string, RegExp][] = [
  ['too few', 'FP32', [2], '0000803f', /shape \[2\] of FP32 holds 8 bytes, the binary data has 4/],
  ['too many', 'UINT8', [1], '0102', /holds 1 bytes, the binary data has 2/],
  ['none', 'FP32', [1], '', /holds 4 bytes, the binary data has 0/],
  ['a count that could not be allocated', 'FP64', [2 ** 26, 2 ** 26], '00', /the binary data has 1/],
  ['a BOOL of 2', 'BOOL', [1], '02', /one byte an element, 0 or 1/],
  ['text cut in its length', 'BYTES', [1], '0100', /more than the 2 bytes sent/],
  ['text cut in its letters', 'BYTES', [1], '0500000061', /element 0 of BYTES ends 4 bytes after the data/],
  ['4 GB declared', 'BYTES', [1], 'ffffffff61', /ends 4294967294 bytes after the data/],
  ['an element too few', 'BYTES', [2], '040000006162636400', /do not fill|more than/],
  ['an element too many', 'BYTES', [1], '01000000610100000061', /1 elements of BYTES do not fill the 10 bytes sent/],
  ['10^12 elements of text', 'BYTES', [10 ** 12], '00000000', /more than the 4 bytes sent/],
  ['text that is no UTF-8', 'BYTES', [1], '01000000ff', /must be UTF-8 text without NUL/],
  ['text with NUL', 'BYTES', [1], '0300000061 0062'.replace(' ', ''), /must be UTF-8 text without NUL/],
];

for (const [name, datatype, shape, hex, message] of bad) {
  test(`bytes of ${datatype} [${shape}] with ${name} are refused`, () => {
    assert.throws(
      () => readBytes(Buffer.from(hex, 'hex'), datatype, shape, 'input "x"'),
      (error) => {
        assert.ok(error instanceof RequestError);
        assert.equal(error.ending, 'bad_request');
        assert.match(error.message, message);
        return true;
      },
    );
  });
}
