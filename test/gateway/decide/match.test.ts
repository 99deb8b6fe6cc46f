import assert from 'node:assert/strict';
import { test } from 'node:test';
import { characters, fits, isIn } from '../../../gateway/decide/match.ts';
import { NumberSent } from '../../../gateway/decide/number-sent.ts';
import type { Match } from '../../../gateway/policy/conditions.ts';

const range = (atLeast: number | undefined, below: number | undefined): Match => ({
  atLeast: atLeast ?? Number.NEGATIVE_INFINITY,
  below: below ?? Number.POSITIVE_INFINITY,
});
const oneOf = (...values: (string | number | boolean)[]): Match => ({ oneOf: values });

/** A number in a body. */
const sent = (written: string) => new NumberSent(Number(written), () => written);

/** What is wanted, what fits and what does not. */
const TABLE: readonly (readonly [string, Match, readonly unknown[], readonly unknown[]])[] = [
  [
    'a text',
    oneOf('free'),
    ['free'],
    ['Free', 'free ', 'fre', '', undefined, null, true, 0, ['free'], { free: 1 }, { toString: () => 'free' }],
  ],
  [
    'a number',
    oneOf(1),
    [sent('1'), '1', sent('1.0'), sent('10e-1')],
    ['1.0', '01', ' 1', true, sent('2'), undefined, null, [1]],
  ],
  ['a text of digits', oneOf('1'), ['1', sent('1')], [true, '01', sent('10')]],
  [
    'a text of more digits than a double has',
    oneOf('1234567890123456789'),
    ['1234567890123456789', sent('1234567890123456789')],
    [sent('1234567890123456788'), '1234567890123456800'],
  ],
  ['a text with a zero behind its point', oneOf('1.10'), ['1.10', sent('1.10')], ['1.1', sent('1.1')]],
  ['true', oneOf(true), [true, 'true'], ['True', 1, '1', 'yes', false, undefined]],
  ['one of several', oneOf('a', 2, false), ['a', sent('2'), '2', false, 'false'], ['b', 'a,2', undefined, null]],
  ['text that looks like a pattern', oneOf('(a+)+$'), ['(a+)+$'], ['aaaa', 'a']],
  ['a range', range(0, 0.9), [0, 0.5, '0.5', ' 0.5 ', '5e-1', -0], [0.9, '0.9', -1, '-1']],
  [
    'a range with an open end',
    range(undefined, 0.9),
    [-1e308, '-5'],
    [
      Number.NaN,
      'NaN',
      Number.NEGATIVE_INFINITY,
      '-Infinity',
      '-1e400',
      '',
      ' ',
      'low',
      true,
      null,
      undefined,
      [0],
      {},
    ],
  ],
  [
    'a range without an end',
    range(5, undefined),
    [5, 1e308, '5', sent('5e0')],
    [4.999, Number.POSITIVE_INFINITY, '1e400', '5px', '5,0', '0x10', '0b111', '1_0', sent('4.9')],
  ],
  ['a value that is there', { present: true }, ['', 0, false, null, [], 'x'], [undefined]],
  ['a value that is not there', { present: false }, [undefined], ['', 0, false, null, [], 'x']],
];

for (const [what, match, fitting, others] of TABLE) {
  test(`${what} fits what it says and nothing else`, () => {
    for (const value of fitting) assert.equal(fits(match, value), true, `${JSON.stringify(value)} fits`);
    for (const value of others) assert.equal(fits(match, value), false, `${String(value)} does not fit`);
  });
}

test('a range holds its lower end and not its upper one', () => {
  const ends = { atLeast: 1, below: 2 };
  assert.deepEqual(
    [0.999_999, 1, 1.999_999, 2].map((value) => isIn(ends, value)),
    [false, true, true, false],
  );
});

test('characters are counted as people count them', () => {
  assert.equal(characters(''), 0);
  assert.equal(characters('héllo'), 5);
  assert.equal(characters('😀😀'), 2);
  assert.equal(characters('用户'), 2);
});
