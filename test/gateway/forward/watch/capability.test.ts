import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Signature, signatureIn, whyIncompatible } from '../../../../gateway/forward/watch/capability.ts';
import { readinessIn } from '../../../../gateway/forward/watch/readiness.ts';

const image = { name: 'image', datatype: 'FP32', shape: [-1, 784] };
const label = { name: 'label', datatype: 'INT64', shape: [-1] };
const baseline: Signature = { inputs: [image], outputs: [label] };

test('a candidate with the same inputs and outputs, or more outputs, can stand in', () => {
  assert.equal(whyIncompatible(baseline, baseline), undefined);
  assert.equal(whyIncompatible(baseline, { inputs: [image], outputs: [{ ...label, name: 'more' }, label] }), undefined);
  assert.equal(whyIncompatible({ ...baseline, inputs: [{ ...image, shape: [1, 784] }] }, baseline), undefined);
});

test('every way in which it cannot is told', () => {
  const cases: readonly (readonly [Partial<Signature>, string])[] = [
    [{ inputs: [{ ...image, name: 'pixels' }] }, 'it has no input "image"'],
    [{ inputs: [{ ...image, datatype: 'FP64' }] }, 'its input "image" is FP64 and not FP32'],
    [{ inputs: [{ ...image, shape: [-1, 28, 28] }] }, 'its input "image" has shape [-1, 28, 28] and not [-1, 784]'],
    [{ inputs: [{ ...image, shape: [1, 784] }] }, 'its input "image" has shape [1, 784] and not [-1, 784]'],
    [{ inputs: [image, { ...image, name: 'mask' }] }, 'it needs an input "mask" that the baseline does not have'],
    [{ outputs: [{ ...label, name: 'class' }] }, 'it has no output "label"'],
    [{ outputs: [{ ...label, datatype: 'INT32' }] }, 'its output "label" is INT32 and not INT64'],
    [{ outputs: [{ ...label, shape: [-1, 1] }] }, 'its output "label" has shape [-1, 1] and not [-1]'],
  ];
  for (const [change, reason] of cases) assert.equal(whyIncompatible(baseline, { ...baseline, ...change }), reason);
});

test('metadata is read as servers write it, and what is no metadata tells nothing', () => {
  const written = { name: 'm', inputs: [{ ...image, shape: ['-1', '784'] }], outputs: [label] };
  assert.deepEqual(signatureIn(written), baseline);
  for (const json of [undefined, null, 'x', {}, { inputs: [], outputs: [] }, { inputs: [{}], outputs: [label] }])
    assert.equal(signatureIn(json), undefined);
});

test('readiness is read in every dialect', () => {
  for (const [seen, expected] of [
    [{ status: 200, json: undefined }, true],
    [{ status: 200, json: { ready: true } }, true],
    [{ status: 200, json: { ready: false } }, false],
    [{ status: 503, json: { ready: false } }, false],
    [{ status: 400, json: undefined }, false],
    [{ status: 404, json: { error: 'x' } }, false],
    [{ status: 501, json: undefined }, undefined],
    [{ status: 508, json: { error: 'this request has passed this gateway before' } }, false],
    [{ status: 200, json: { model_version_status: [{ state: 'LOADING' }] } }, false],
    [{ status: 200, json: { model_version_status: [{ state: 'END' }, { state: 'AVAILABLE' }] } }, true],
  ] as const)
    assert.equal(readinessIn(seen), expected, JSON.stringify(seen));
});
