import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { DIGIT_PIXELS, pixelsOf } from '../../../model-server/samples/digits.ts';
import { readHeldOut } from '../../../model-server/samples/held-out.ts';
import { readIdx, writeIdx } from '../../../model-server/samples/idx.ts';
import { openClassifier } from '../../../model-server/training/classifier.ts';
import { loadDigits } from '../../../model-server/training/digits-data.ts';
import { exampleRequest, findClearSeven } from '../../../model-server/training/example-request.ts';
import { measure } from '../../../model-server/training/measure.ts';
import { graph, model, node, tensor, value } from '../../../model-server/training/onnx.ts';
import {
  DATA_FOLDER,
  DIGITS_VERSIONS,
  type DigitsVersion,
  EXAMPLE_REQUEST,
  modelFile,
  TRAINING_README,
} from '../../../model-server/training/project-files.ts';
import { wilson, withScoreTable } from '../../../model-server/training/score-table.ts';
import { folderOf } from '../../support/folder.ts';
import { undo } from '../../support/undo.ts';

/** Another processor may round the last bit of a sum differently and tip a digit that lies on the fence. */
const ROUNDING = 3;

test('onnxruntime loads what the writer wrote and computes it', async (t) => {
  const file = model(
    graph({
      name: 'tiny',
      nodes: [
        node('Gemm', ['x', 'w', 'b'], ['scores'], { transB: 1 }),
        node('Softmax', ['scores'], ['shares'], { axis: -1 }),
        node('Reshape', ['shares', 'flat'], ['y']),
      ],
      initializers: [
        tensor('w', [2, 3], Float32Array.of(1, 0, 2, 0, 1, 0)),
        tensor('b', [2], Float32Array.of(0.5, -1)),
        tensor('flat', [1], BigInt64Array.of(-1n)),
      ],
      inputs: [value('x', 'FP32', ['batch', 3])],
      outputs: [value('scores', 'FP32', ['batch', 2]), value('y', 'FP32', ['flat'])],
    }),
    { producer: 'sluice', doc: 'A tïny graph.', metadata: { task: 'test' } },
  );
  const session = await InferenceSession.create(file);
  undo(t, () => session.release());
  const [input] = session.inputMetadata;
  assert.deepEqual(input?.isTensor && input.shape, ['batch', 3]);
  const { scores, y } = await session.run({ x: new Tensor('float32', [1, 2, 3, 0, 0, 0], [2, 3]) });
  assert.deepEqual(scores?.data, Float32Array.of(7.5, 1, 0.5, -1));
  assert.deepEqual(y?.dims, [4]);
  const share = 1 / (1 + Math.exp(-6.5));
  assert.ok(y.data instanceof Float32Array && Math.abs((y.data[0] ?? 0) - share) < 1e-6);
});

test('a tensor whose data does not fill its shape is refused', () => {
  assert.throws(() => tensor('w', [2, 3], new Float32Array(5)), /tensor w: \[2,3\] needs 6 values, not 5/);
});

test('an IDX file is read back as it was written, gzipped or not', (t) => {
  const folder = temporaryFolder(t);
  const written = { dims: [2, 3, 1], data: Uint8Array.of(0, 1, 2, 253, 254, 255) };
  for (const name of ['a.idx', 'a.idx.gz']) {
    writeIdx(join(folder, name), written);
    assert.deepEqual(readIdx(join(folder, name)), written);
  }
  assert.deepEqual([...readFileSync(join(folder, 'a.idx')).subarray(0, 8)], [0, 0, 8, 3, 0, 0, 0, 2]);
  writeIdx(join(folder, 'b.idx.gz'), written);
  assert.deepEqual(readFileSync(join(folder, 'b.idx.gz')), readFileSync(join(folder, 'a.idx.gz')));
});

test('a malformed IDX file is refused with its name and the reason', (t) => {
  const path = join(temporaryFolder(t), 'bad.idx');
  const cases: [string, number[], RegExp][] = [
    ['empty', [], /0 bytes are less than a header/],
    ['another format', [80, 75, 3, 4, 0, 0], /two zero bytes/],
    ['floats', [0, 0, 0x0d, 1, 0, 0, 0, 1, 0, 0, 0, 0], /type 0xd/],
    ['no dimension', [0, 0, 8, 0], /without dimensions/],
    ['header cut short', [0, 0, 8, 2, 0, 0, 0, 1], /2 dimensions need 12 bytes/],
    ['data cut short', [0, 0, 8, 1, 0, 0, 0, 3, 1, 2], /need 3 bytes of data, not 2/],
    ['data left over', [0, 0, 8, 1, 0, 0, 0, 1, 1, 2], /need 1 bytes of data, not 2/],
  ];
  for (const [name, content, reason] of cases) {
    writeFileSync(path, Uint8Array.from(content));
    assert.throws(() => readIdx(path), reason, name);
  }
  assert.throws(() => readIdx(path), /bad\.idx: /);
  assert.throws(() => writeIdx(path, { dims: [2], data: new Uint8Array(3) }), /need 2 bytes of data, not 3/);
  writeFileSync(`${path}.gz`, gzipSync(Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 0)).subarray(0, 20));
  assert.throws(() => readIdx(`${path}.gz`), /bad\.idx\.gz: unexpected end of file/);
});

test("Wilson's interval matches worked values", () => {
  // Newcombe 1998, Statistics in Medicine 17, table I: 81/263 and 0/20.
  assertInterval(wilson(81, 263), 0.2553, 0.3662);
  assertInterval(wilson(0, 20), 0, 0.1611);
});

test('the score table replaces only what stands between its markers', () => {
  const page = 'before\n<!-- scores: written by npm run train -->\nold\n<!-- end of scores -->\nafter\n';
  const expected = 'before\n<!-- scores: written by npm run train -->\nnew\n<!-- end of scores -->\nafter\n';
  assert.equal(withScoreTable(page, 'new'), expected);
  assert.throws(() => withScoreTable('no markers', 'new'), /lacks the markers/);
});

test('the committed held-out digits are those that the split keeps away from training', () => {
  const { heldOut, validation, training } = loadDigits();
  assert.deepEqual(readHeldOut(DATA_FOLDER), { ...heldOut, images: new Uint8Array(heldOut.images) });
  assert.deepEqual([heldOut.count, validation.count, training.count], [2_000, 1_000, 7_000]);
  const seen = new Set<string>();
  for (const part of [heldOut, validation, training]) {
    for (let row = 0; row < part.count; row++) seen.add(Buffer.from(pixelsOf(part, row)).toString('latin1'));
  }
  assert.equal(seen.size, 10_000, 'no image stands on both sides of the split');
});

test('the committed models score what the README says', async () => {
  const heldOut = readHeldOut(DATA_FOLDER);
  const scores = new Map(
    await Promise.all(DIGITS_VERSIONS.map(async (v) => [v, await measure(modelFile(v), heldOut)] as const)),
  );
  const share = (version: DigitsVersion, of: 'correct' | 'failed') => (scores.get(version)?.[of] ?? 0) / heldOut.count;
  assert.ok(share(1, 'correct') >= 0.9);
  assert.ok(share(2, 'correct') >= 0.95);
  assert.ok(share(3, 'failed') >= 0.15 && share(3, 'failed') <= 0.25);
  assert.match(scores.get(3)?.failure ?? '', /indices element out of data bounds/);
  for (const [version, { correct, failed }] of scores) {
    const stated = statedScore(version);
    assert.ok(
      Math.abs(correct - stated.correct) <= ROUNDING,
      `version ${version}: ${correct}, stated ${stated.correct}`,
    );
    assert.ok(Math.abs(failed - stated.failed) <= ROUNDING, `version ${version}: ${failed}, stated ${stated.failed}`);
  }
});

test('versions 1 and 2 answer a batch as they answer its rows one by one', async () => {
  const images = readHeldOut(DATA_FOLDER).images.subarray(0, 32 * DIGIT_PIXELS);
  for (const version of [1, 2] as const) {
    const classifier = await openClassifier(modelFile(version));
    const batch = await classifier.classify(images);
    assert.equal(batch.length, 32);
    for (const [row, { label, probability }] of batch.entries()) {
      const [alone] = await classifier.classify(images.subarray(row * DIGIT_PIXELS, (row + 1) * DIGIT_PIXELS));
      assert.equal(label, alone?.label);
      assert.ok(Math.abs(probability - (alone?.probability ?? 0)) < 1e-5);
    }
    await classifier.close();
  }
});

test('version 3 fails on heavy strokes, fails a batch for one of them, and goes on working', async () => {
  const classifier = await openClassifier(modelFile(3));
  const blank = new Uint8Array(DIGIT_PIXELS);
  const heavy = new Uint8Array(DIGIT_PIXELS).fill(255);
  assert.equal((await classifier.classify(blank)).length, 1);
  await assert.rejects(classifier.classify(heavy), /indices element out of data bounds/);
  await assert.rejects(classifier.classify(Buffer.concat([blank, heavy])), /indices element out of data bounds/);
  assert.equal((await classifier.classify(Buffer.concat([blank, blank]))).length, 2);
  await classifier.close();
});

test('the example request is a held-out seven that every version answers', async () => {
  const heldOut = readHeldOut(DATA_FOLDER);
  assert.equal(readFileSync(EXAMPLE_REQUEST, 'utf8'), exampleRequest(heldOut, await findClearSeven(heldOut)));
  const request = JSON.parse(readFileSync(EXAMPLE_REQUEST, 'utf8'));
  assert.equal(request.inputs[0].data.length, DIGIT_PIXELS);
});

test('the model files stay small enough to commit', () => {
  const bytes = DIGITS_VERSIONS.reduce((sum, version) => sum + statSync(modelFile(version)).size, 0);
  assert.ok(bytes < 5 * 1024 * 1024, `${bytes} bytes`);
});

function temporaryFolder(t: TestContext): string {
  const folder = folderOf(t, 'training');
  return folder;
}

function assertInterval({ low, high }: { low: number; high: number }, expectedLow: number, expectedHigh: number): void {
  assert.ok(Math.abs(low - expectedLow) < 5e-5, `low end ${low}`);
  assert.ok(Math.abs(high - expectedHigh) < 5e-5, `high end ${high}`);
}

/** "| 1 | 91.25 % (…) | 1825 / 2000 | 0 of 2000 (…) | …" */
function statedScore(version: DigitsVersion): { correct: number; failed: number } {
  const row = new RegExp(`^\\| ${version} +\\|[^|]*\\| (\\d+) / \\d+ +\\| (\\d+) of `, 'm');
  const [, correct, failed] = readFileSync(TRAINING_README, 'utf8').match(row) ?? [];
  return { correct: Number(correct), failed: Number(failed) };
}
