import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleanReason } from '../../model-server/errors.ts';
import { show } from '../../model-server/protocol/show.ts';

const reasons: readonly [string, string][] = [
  [
    "Non-zero status code returned while running Gather node. Name:'' Status Message: indices element out of data bounds, idx=7 must be within the inclusive range [-3,2]",
    'Gather node: indices element out of data bounds, idx=7 must be within the inclusive range [-3,2]',
  ],
  [
    'Load model from /srv/secret/m/1/model.onnx failed:Protobuf parsing failed.',
    'load failed: Protobuf parsing failed.',
  ],
  [
    'Load model from /a/model.onnx failed:/onnxruntime_src/onnxruntime/core/graph/model.cc:187 onnxruntime::Model::Model(onnx::ModelProto&&, const onnxruntime::PathString&) ModelProto does not have a graph.\n',
    'load failed: ModelProto does not have a graph.',
  ],
  ['ENOENT: no such file, open /srv/secret/models/weights.bin', 'ENOENT: no such file, open weights.bin'],
];

for (const [raw, clean] of reasons) {
  test(`a reason reads "${clean.slice(0, 60)}"`, () => {
    assert.equal(cleanReason(raw), clean);
  });
}

test('a long reason is cut', () => {
  assert.equal(cleanReason('x'.repeat(5000)).length, 300);
});

test('a value of the caller is shown short', () => {
  assert.equal(show('a'), '"a"');
  assert.equal(show([1, 'b', [2]]), '[1,"b",…]');
  assert.equal(show('x'.repeat(5000)).length, 72);
  assert.equal(show(new Array(9).fill(1)), 'a long array');
  assert.equal(show(undefined), 'undefined');
  assert.equal(show({}), 'an object');
});
