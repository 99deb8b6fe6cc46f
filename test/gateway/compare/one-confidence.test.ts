// A live tier, the model server and a stored comparison read the same confidence from the same probabilities.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { highestConfidence } from '../../../gateway/compare/comparators/classification.ts';
import { readAnswer } from '../../../gateway/compare/read.ts';
import { confidenceIn } from '../../../gateway/decide/confidence.ts';
import { tensorConfidence } from '../../../model-server/predict.ts';

type Rows = readonly (readonly number[])[];

/** What each of the three reads from an answer with these rows: as JSON, and as a binary tensor. */
function readings(rows: Rows) {
  const data = Float32Array.from(rows.flat());
  const shape = [rows.length, rows[0]?.length ?? 0];
  const tensor = { name: 'p', datatype: 'FP32' as const, shape };
  const json = JSON.stringify({ outputs: [{ ...tensor, data: [...data] }] });
  const head = JSON.stringify({ outputs: [{ ...tensor, parameters: { binary_data_size: data.byteLength } }] });
  const binary = Buffer.concat([Buffer.from(head), Buffer.from(data.buffer)]);
  return {
    live: liveIn(json, undefined),
    liveBinary: liveIn(binary, head.length),
    stored: storedIn(json, undefined),
    storedBinary: storedIn(binary, head.length),
    server: tensorConfidence({ ...tensor, data }, 'max'),
  };
}

function liveIn(body: string | Buffer, headerLength: number | undefined): number | undefined {
  const length = headerLength === undefined ? undefined : String(headerLength);
  return confidenceIn({ from: 'output', name: 'p', as: 'max' }, Buffer.from(body), length);
}

function storedIn(body: string | Buffer, headerLength: number | undefined): number | undefined {
  const side = { body: Buffer.from(body), contentType: 'application/json', encoding: undefined, headerLength };
  const reading = readAnswer(side, { as: 'classification', output: 'p' });
  const output = reading.kind === 'outputs' ? reading.outputs[0] : undefined;
  return output && highestConfidence(output);
}

function same(rows: Rows, expected: number | undefined): void {
  for (const [reader, confidence] of Object.entries(readings(rows)))
    assert.equal(confidence?.toFixed(6), expected?.toFixed(6), `${reader} of ${JSON.stringify(rows)}`);
}

test('one probability of 0.2 is a binary answer that is 0.8 sure', () => same([[0.2]], 0.8));

test('two rows of 0.9 and 0.6 are 0.6 sure', () =>
  same(
    [
      [0.9, 0.1],
      [0.4, 0.6],
    ],
    0.6,
  ));

test('scores that are no probabilities have no confidence', () => {
  same([[0.9, 0.9, 0.9]], undefined);
  same([[3, 9]], undefined);
  same([[-0.5, 0.5]], undefined);
});

test("v1's predictions are read alike, with and without brackets of their own", () => {
  for (const [predictions, expected] of [
    [[0.2], 0.8],
    [[0.9, 0.3], 0.7],
    [
      [
        [0.9, 0.1],
        [0.4, 0.6],
      ],
      0.6,
    ],
    [[[0.2]], 0.8],
    [
      [
        [
          [0.75, 0.25],
          [0.9, 0.1],
        ],
      ],
      0.75,
    ],
  ] as const) {
    const body = JSON.stringify({ predictions });
    assert.equal(liveIn(body, undefined)?.toFixed(6), expected.toFixed(6), body);
    assert.equal(storedIn(body, undefined)?.toFixed(6), expected.toFixed(6), body);
  }
});

test('whatever the numbers are, all readers say the same', () => {
  const value = fc.oneof(
    { weight: 4, arbitrary: fc.float({ min: 0, max: 1, noNaN: true }) },
    fc.constantFrom(0, 0.5, 1, 1.0005, 2, -1),
  );
  const rows = fc
    .integer({ min: 1, max: 4 })
    .chain((width) =>
      fc.array(fc.array(value, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 3 }),
    );
  fc.assert(
    fc.property(rows, (given) => {
      const { live, ...others } = readings(given);
      for (const [reader, confidence] of Object.entries(others)) assert.equal(confidence, live, reader);
    }),
  );
});
