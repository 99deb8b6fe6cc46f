import assert from 'node:assert/strict';
import { test } from 'node:test';
import { confidenceIn } from '../../../gateway/decide/confidence.ts';
import type { ConfidenceFrom } from '../../../gateway/policy/escalation.ts';

const OUTPUT = (as: 'max' | 'margin' | 'entropy' = 'max'): ConfidenceFrom => ({ from: 'output', name: 'p', as });

function v2(data: unknown, shape: readonly number[] = [1, 3], name = 'p'): string {
  return JSON.stringify({
    outputs: [
      { name: 'label', datatype: 'INT64', shape: [1], data: [1] },
      { name, datatype: 'FP32', shape, data },
    ],
  });
}

const read = (from: ConfidenceFrom, body: string | Buffer, length?: string) =>
  confidenceIn(from, Buffer.from(body), length);
const near = (actual: number | undefined, expected: number) =>
  assert.ok(actual !== undefined && Math.abs(actual - expected) < 1e-6, `${actual} is not ${expected}`);

test('the largest probability, its margin and its evenness are confidences', () => {
  near(read(OUTPUT('max'), v2([0.7, 0.2, 0.1])), 0.7);
  near(read(OUTPUT('margin'), v2([0.7, 0.2, 0.1])), 0.5);
  near(read(OUTPUT('entropy'), v2([1, 0, 0])), 1);
  near(read(OUTPUT('entropy'), v2([1 / 3, 1 / 3, 1 / 3])), 0);
  near(read(OUTPUT('entropy'), v2([0.5, 0.5, 0])), 1 - Math.log(2) / Math.log(3));
});

test('a batch is as sure as its least certain row, flat or nested', () => {
  near(read(OUTPUT(), v2([0.9, 0.1, 0, 0.4, 0.3, 0.3], [2, 3])), 0.4);
  near(
    read(
      OUTPUT(),
      v2(
        [
          [0.9, 0.1, 0],
          [0.4, 0.3, 0.3],
        ],
        [2, 3],
      ),
    ),
    0.4,
  );
});

test("v1's predictions, a field and a parameter are read too", () => {
  near(read(OUTPUT(), '{"predictions":[[0.6,0.4],[0.9,0.1]]}'), 0.6);
  near(read(OUTPUT(), '{"predictions":[{"p":[0.8,0.2],"label":1}]}'), 0.8);
  near(read({ from: 'field', path: ['meta', 'sure'] }, '{"meta":{"sure":0.3}}'), 0.3);
  near(read({ from: 'parameter', name: 'confidence' }, '{"parameters":{"confidence":0.25},"outputs":[]}'), 0.25);
});

test('a binary output is read behind the JSON, whichever place it has', () => {
  const before = Buffer.from(new BigInt64Array([7n]).buffer);
  const values = Buffer.from(new Float32Array([0.25, 0.75]).buffer);
  const head = JSON.stringify({
    outputs: [
      { name: 'label', datatype: 'INT64', shape: [1], parameters: { binary_data_size: 8 } },
      { name: 'p', datatype: 'FP32', shape: [1, 2], parameters: { binary_data_size: 8 } },
    ],
  });
  const body = Buffer.concat([Buffer.from(head), before, values]);
  near(confidenceIn(OUTPUT(), body, String(head.length)), 0.75);
  assert.equal(confidenceIn(OUTPUT(), body.subarray(0, head.length + 3), String(head.length)), undefined);
});

for (const [what, body] of [
  ['no JSON', 'hello'],
  ['no object', '[]'],
  ['no such output', v2([1, 0, 0], [1, 3], 'other')],
  ['NaN', v2([0.7, 0.2, 0.1]).replace('0.7', 'NaN')],
  ['Infinity', v2([0.7, 0.2, 0.1]).replace('0.7', 'Infinity')],
  ['a text', v2(['0.7', 0.2, 0.1])],
  ['a negative value', v2([-0.1, 0.6, 0.5])],
  ['a value above one', v2([1.2, 0, 0])],
  ['scores that are no probabilities', v2([0.9, 0.9, 0.9])],
  ['no values', v2([], [0, 3])],
  ['a shape that lies', v2([0.5, 0.5, 0], [2, 3])],
  ['an output that is no object', '{"outputs":[null]}'],
  ['brackets without end', '['.repeat(100_000)],
] as const) {
  test(`an answer with ${what} has no confidence`, () => {
    assert.equal(read(OUTPUT(), body), undefined);
  });
}

for (const value of ['"0.9"', '1.5', '-0.1', 'null', '[0.9]', '{}', 'NaN']) {
  test(`a confidence of ${value} is none`, () => {
    assert.equal(read({ from: 'field', path: ['c'] }, `{"c":${value}}`), undefined);
    assert.equal(read({ from: 'parameter', name: 'c' }, `{"parameters":{"c":${value}}}`), undefined);
  });
}
