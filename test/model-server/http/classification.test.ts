import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classify } from '../../../model-server/http/classification.ts';
import { floats } from '../fixtures/runner.ts';

test("the example of Triton's extension comes out as it is written there", () => {
  const output = floats('o', [4], 1, 5, 10, 4);
  assert.deepEqual(classify(output, 2, undefined), { name: 'o', datatype: 'BYTES', shape: [2], data: ['10:2', '5:1'] });
  assert.deepEqual(classify(output, 2, ['a', 'pickle', 'apple', 'd']).data, ['10:2:apple', '5:1:pickle']);
});

test('each row is classified, at most as many classes as there are, equals in order, NaN last', () => {
  const output = floats('o', [2, 3], 0.5, Number.NaN, 0.5, -1, 2, 1);
  assert.deepEqual(classify(output, 9, undefined).shape, [2, 3]);
  assert.deepEqual(classify(output, 9, undefined).data, ['0.5:0', '0.5:2', 'NaN:1', '2:1', '1:2', '-1:0']);
  const long = { name: 'o', datatype: 'INT64', shape: [2], data: BigInt64Array.of(2n ** 60n, 2n ** 61n) } as const;
  assert.deepEqual(classify(long, 1, undefined).data, ['2305843009213693952:1']);
});

test('what has no classes is refused with its shape', () => {
  for (const output of [floats('o', [], 1), floats('o', [1, 1, 1], 1)]) {
    assert.throws(() => classify(output, 1, undefined), /output "o" is FP32 \[.*\]: only numbers/);
  }
  const text = { name: 'o', datatype: 'BYTES', shape: [1], data: ['x'] } as const;
  assert.throws(() => classify({ ...text, data: ['x'] }, 1, undefined), /BYTES \[1\]/);
});
