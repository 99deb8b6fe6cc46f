import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canBatch,
  joinInputs,
  keyOf,
  type NextBatch,
  nextBatch,
  saysBatch,
  splitOutputs,
} from '../../../model-server/run/batch.ts';
import type { Tensor } from '../../../model-server/run/tensors.ts';
import { floats } from '../fixtures/runner.ts';

type Waiting = { readonly name: string; readonly rows: number; readonly key: string; readonly since: number };

const waiting = (name: string, rows = 1, key = 'k', since = 0): Waiting => ({ name, rows, key, since });
const namesOf = (next: NextBatch<Waiting>) =>
  'take' in next ? next.take.map(({ name }) => name).join('') : next.waitMs;

const choices: readonly [
  string,
  readonly [Waiting, ...Waiting[]],
  [number, number] | undefined,
  number,
  string | number,
][] = [
  ['without limits the head runs alone', [waiting('a'), waiting('b')], undefined, 0, 'a'],
  ['without a delay whoever waits goes', [waiting('a'), waiting('b')], [8, 0], 0, 'ab'],
  ['rows are counted, not requests', [waiting('a', 3), waiting('b', 3), waiting('c', 3)], [8, 0], 0, 'ab'],
  ['a full batch goes without waiting', [waiting('a', 4), waiting('b', 4)], [8, 50], 0, 'ab'],
  ['one that does not fit sends the batch off', [waiting('a', 5), waiting('b', 4)], [8, 50], 0, 'a'],
  ['a smaller one does not overtake it', [waiting('a', 5), waiting('b', 4), waiting('c', 1)], [8, 50], 0, 'a'],
  ['a request larger than the limit runs alone', [waiting('a', 100), waiting('b')], [8, 50], 0, 'a'],
  ['others wait for the delay to end', [waiting('a', 1, 'k', 10), waiting('b', 1, 'k', 20)], [8, 50], 25, 35],
  ['and then go', [waiting('a', 1, 'k', 10), waiting('b', 1, 'k', 20)], [8, 50], 60, 'ab'],
  [
    'the delay is that of whoever came first',
    [waiting('urgent', 1, 'k', 40), waiting('b', 1, 'k', 5)],
    [8, 50],
    45,
    10,
  ],
  ['other shapes wait for a run of their own', [waiting('a'), waiting('x', 1, 'q'), waiting('b')], [8, 0], 0, 'ab'],
];

for (const [name, line, limits, now, expected] of choices) {
  test(`of a line, ${name}`, () => {
    const batch = limits && { maxRows: limits[0], delayMs: limits[1] };
    assert.equal(namesOf(nextBatch(line, batch, now)), expected);
  });
}

const port = (...shape: (number | string)[]) => ({ name: 'x', datatype: 'FP32', shape }) as const;

const axes: readonly [string, (number | string)[][], (number | string)[][], boolean, boolean][] = [
  ['a named batch throughout', [['batch', 2]], [['batch']], true, true],
  ['N for a batch', [['N', 2], ['N']], [['N', 1]], true, true],
  ['batch_size for a batch', [['batch_size', 2]], [['batch_size']], true, true],
  ['another name, which may mean anything', [['sequence', 2]], [['sequence']], true, false],
  ['no name', [['', 2]], [['']], true, false],
  ['two names', [['batch']], [['rows']], true, false],
  ['a fixed first size', [[1, 2]], [['batch']], false, false],
  ['an output without rows', [['batch', 2]], [[]], false, false],
  ['no inputs', [], [['batch']], false, false],
];

for (const [name, inputs, outputs, can, says] of axes) {
  test(`a model with ${name} ${can ? 'can' : 'cannot'} be batched and is ${says ? '' : 'not '}by default`, () => {
    const signature = {
      inputs: inputs.map((shape) => port(...shape)),
      outputs: outputs.map((shape) => port(...shape)),
    };
    assert.deepEqual([canBatch(signature), saysBatch(signature)], [can, says]);
  });
}

test('inputs that differ in their rows only have one key', () => {
  const [a, b] = [floats('a', [1, 2], 1, 2), floats('b', [1], 1)];
  assert.equal(keyOf([a, b]), keyOf([floats('b', [7]), floats('a', [7, 2])]));
  assert.notEqual(keyOf([a, b]), keyOf([floats('a', [1, 3]), b]));
  assert.notEqual(keyOf([a]), keyOf([floats('a', [1, 2, 1])]));
});

test('what is joined and split comes apart as it was', () => {
  const text = (...data: string[]): Tensor => ({ name: 't', datatype: 'BYTES', shape: [data.length], data });
  const long = (...data: bigint[]): Tensor => ({
    name: 'l',
    datatype: 'INT64',
    shape: [data.length],
    data: BigInt64Array.from(data),
  });
  const requests = [
    [floats('x', [1, 2], 1, 2), text('a'), long(1n)],
    [floats('x', [2, 2], 3, 4, 5, 6), text('b', 'c'), long(2n, 3n)],
  ];
  const joined = joinInputs(requests);
  assert.deepEqual(
    joined.map(({ shape }) => shape),
    [[3, 2], [3], [3]],
  );
  assert.deepEqual(splitOutputs(joined, [1, 2]), requests);
});

test('an output that is not a row for each row cannot be split', () => {
  assert.throws(() => splitOutputs([floats('y', [1, 2], 1, 2)], [1, 2]), /"y" has shape \[1,2\] for a batch of 3 rows/);
  assert.throws(() => splitOutputs([floats('y', [], 1)], [1, 2]), /"y" has shape \[\]/);
});
