import assert from 'node:assert/strict';
import { maxHeaderSize } from 'node:http';
import { test } from 'node:test';
import type { Fault } from '../../../gateway/flow.ts';
import { AnswerMemory } from '../../../gateway/forward/answer-memory.ts';
import { errorOf, type Limits } from '../../../gateway/forward/faults.ts';
import { sizeText } from '../../../gateway/policy/units.ts';

const MIB = 1024 ** 2;
const HEADER = sizeText(maxHeaderSize);

const TEXTS: readonly (readonly [Fault, Limits, string])[] = [
  [
    'answer_too_large',
    { answers: new AnswerMemory(256 * MIB) },
    `the answer is larger than this gateway takes: 64MiB, and ${HEADER} for its header`,
  ],
  [
    'answer_too_large',
    { answers: new AnswerMemory(4 * MIB) },
    `the answer is larger than this gateway takes: 4MiB (--answer-memory), and ${HEADER} for its header`,
  ],
  ['answer_too_large', {}, `the header of the answer is larger than this gateway takes: ${HEADER}`],
  [
    'answers_full',
    { answers: new AnswerMemory(40 * MIB) },
    'the memory for answers at this gateway is full (--answer-memory 40MiB); try again',
  ],
  ['too_large', { body: 1.5 * MIB }, 'the request body is larger than this gateway accepts: 1.5MiB'],
];

test('the text of a fault names the limit as it is set', () => {
  for (const [fault, limits, text] of TEXTS) assert.equal(errorOf(fault, limits), text);
});

test('sizes are written exactly, in the largest unit that is short', () => {
  const of = [1, 1000, 1024, 1025, 1536, 16 * MIB, 1.5 * 1024 * MIB, 64 * MIB + 1];
  assert.deepEqual(of.map(sizeText), ['1B', '1000B', '1KiB', '1025B', '1.5KiB', '16MiB', '1.5GiB', '67108865B']);
});
