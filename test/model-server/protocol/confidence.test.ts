import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tensorConfidence } from '../../../model-server/predict.ts';
import type { ConfidenceKind } from '../../../model-server/protocol/confidence.ts';
import { floats } from '../fixtures/runner.ts';

const cases: readonly [ConfidenceKind, readonly number[], readonly number[], number | undefined][] = [
  ['max', [1, 3], [0.2, 0.7, 0.1], 0.7],
  ['margin', [1, 3], [0.2, 0.7, 0.1], 0.5],
  ['entropy', [1, 2], [0.5, 0.5], 0],
  ['entropy', [1, 2], [1, 0], 1],
  // Shannon 1948: H(0.9, 0.1) = 0.469 bits of at most 1.
  ['entropy', [1, 2], [0.9, 0.1], 0.531],
  ['max', [2, 2], [0.9, 0.1, 0.4, 0.6], 0.6],
  ['margin', [3], [0.3, 0.3, 0.4], 0.1],
  ['max', [1, 1], [0.8], 0.8],
  // One probability is a binary answer: the other class has the rest.
  ['max', [1, 1], [0.2], 0.8],
  ['margin', [1, 1], [0.8], 0.6],
  ['entropy', [1, 1], [0.9], 0.531],
  ['max', [2, 1], [0.9, 0.4], 0.6],
  ['max', [1, 2], [1.00000001, 0], 1],
  ['max', [1, 2], [Number.NaN, 0.1], undefined],
  ['margin', [1, 2], [0.1, Number.NaN], undefined],
  ['entropy', [1, 2], [-0.5, 1.5], undefined],
  ['max', [2, 2], [5, 1, 0.4, 0.6], undefined],
  ['max', [1, 2], [-3, -4], undefined],
  ['max', [0, 2], [], undefined],
  ['max', [], [0.3], 0.7],
];

for (const [kind, shape, values, expected] of cases) {
  test(`the ${kind} confidence of [${values}] as [${shape}] is ${expected ?? 'none'}`, () => {
    const confidence = tensorConfidence(floats('p', shape, ...values), kind);
    assert.equal(confidence === undefined, expected === undefined);
    assert.ok(Math.abs((confidence ?? 0) - (expected ?? 0)) < 5e-4, String(confidence));
  });
}

test('text and whole numbers have no confidence', () => {
  assert.equal(tensorConfidence({ name: 'p', datatype: 'BYTES', shape: [1], data: ['x'] }, 'max'), undefined);
  assert.equal(
    tensorConfidence({ name: 'p', datatype: 'INT32', shape: [1, 2], data: Int32Array.of(1, 0) }, 'max'),
    undefined,
  );
});
