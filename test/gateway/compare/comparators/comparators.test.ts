// Every comparator, against values worked out elsewhere and against the odd answers that servers give.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareClasses, highestConfidence } from '../../../../gateway/compare/comparators/classification.ts';
import { editDistance } from '../../../../gateway/compare/comparators/edit-distance.ts';
import { compareEmbeddings } from '../../../../gateway/compare/comparators/embedding.ts';
import { compareExactly } from '../../../../gateway/compare/comparators/exact.ts';
import { compareJson } from '../../../../gateway/compare/comparators/json.ts';
import { compareRanking, kendallTau, rankBiasedOverlap } from '../../../../gateway/compare/comparators/ranking.ts';
import { compareNumbers } from '../../../../gateway/compare/comparators/regression.ts';
import { compareText } from '../../../../gateway/compare/comparators/text.ts';
import type { Output } from '../../../../model-server/protocol/answer.ts';
import type { Json } from '../../../../model-server/protocol/json.ts';
import { randomFrom } from '../../decide/setup.ts';

function output(values: Output['values'], shape: readonly number[] = [values.length], datatype = 'FP32'): Output {
  return { name: 'out', datatype, shape, values };
}

function near(actual: number, expected: number, within = 1e-6): void {
  assert.ok(Math.abs(actual - expected) <= within, `${actual}, not ${expected}`);
}

test('classification: flips, cells and total variation over the rows of a batch', () => {
  const a = output([0.1, 0.2, 0.7, 0.6, 0.3, 0.1, 0.2, 0.3, 0.5], [3, 3]);
  const b = output([0.2, 0.3, 0.5, 0.1, 0.8, 0.1, 0.2, 0.3, 0.5], [3, 3]);
  const found = compareClasses(a, b, {});
  assert.deepEqual([found.same, found.rows, found.flips], [false, 3, 1]);
  assert.deepEqual(found.cells, [
    ['2', '2', 2],
    ['0', '1', 1],
  ]);
  near(found.distance, (0.2 + 0.5 + 0) / 3);
  near(found.maxDelta, 0.5);
});

test('classification: a tolerance also limits how far probabilities may move', () => {
  const [a, b] = [output([0.1, 0.9], [1, 2]), output([0.2, 0.8], [1, 2])];
  assert.equal(compareClasses(a, b, {}).same, true);
  assert.equal(compareClasses(a, b, { tolerance: 0.11 }).same, true);
  assert.equal(compareClasses(a, b, { tolerance: 0.05 }).same, false);
});

test('classification: the first places may swap as long as they hold the same classes', () => {
  const [a, b] = [output([0.1, 0.5, 0.4], [1, 3]), output([0.1, 0.4, 0.5], [1, 3])];
  assert.deepEqual([compareClasses(a, b, {}).same, compareClasses(a, b, { top: 2 }).same], [false, true]);
  assert.equal(compareClasses(a, b, { top: 2 }).flips, 1);
});

test('classification: one score a row is a class by whether it reaches one half', () => {
  const found = compareClasses(output([0.4, 0.6], [2, 1]), output([0.45, 0.2], [2, 1]), {});
  assert.deepEqual(
    [found.flips, found.cells],
    [
      1,
      [
        ['0', '0', 1],
        ['1', '0', 1],
      ],
    ],
  );
  near(found.distance, (0.05 + 0.4) / 2);
});

test('classification: labels of any kind are compared as they are', () => {
  const ids = compareClasses(output([3n, 2n ** 60n], [2], 'INT64'), output([3n, 2n ** 60n + 1n], [2], 'INT64'), {});
  assert.deepEqual([ids.flips, ids.distance], [1, 0.5]);
  const words = compareClasses(output(['spam'], [1], 'BYTES'), output(['ham'], [1], 'BYTES'), {});
  assert.deepEqual(words.cells, [['spam', 'ham', 1]]);
  const oneHot = compareClasses(output([0, 1], [1, 2], 'JSON'), output([0, 1], [1, 2], 'JSON'), {});
  assert.deepEqual(oneHot.cells, [['1', '1', 1]]);
});

test('classification: NaN is a label of its own, and equal places go to the first', () => {
  const found = compareClasses(output([Number.NaN, 1], [1, 2]), output([0.5, 0.5], [1, 2]), {});
  assert.deepEqual([found.same, found.cells], [false, [['NaN', '0', 1]]]);
  assert.ok(Number.isFinite(found.distance));
  const both = compareClasses(output([Number.NaN, 1], [1, 2]), output([Number.NaN, 1], [1, 2]), {});
  assert.deepEqual([both.same, both.distance], [true, 0]);
});

test('a confidence is the highest probability of the first row, and no other number', () => {
  assert.equal(highestConfidence(output([0.25, 0.75, 1, 0], [2, 2])), 0.75);
  assert.equal(highestConfidence(output([0.125], [1, 1])), 0.875);
  assert.equal(highestConfidence(output([3, 9], [1, 2])), undefined);
  assert.equal(highestConfidence(output([Number.NaN, 1], [1, 2])), undefined);
  assert.equal(highestConfidence(output([7n], [1], 'INT64')), undefined);
  assert.equal(highestConfidence(output([], [0, 2])), undefined);
});

test('regression: sums of differences, within a tolerance that the baseline sets', () => {
  const found = compareNumbers(output([100, -200, 0]), output([100.5, -203, 0]), {});
  assert.deepEqual([found.same, found.count, found.outside], [false, 3, 1]);
  near(found.sum, -2.5);
  near(found.sumAbs, 3.5);
  near(found.sumSquares, 9.25);
  near(found.sumRelative, 0.005 + 0.015);
  near(found.maxAbs, 3);
  assert.equal(compareNumbers(output([100, -200, 0]), output([100.5, -203, 0]), { tolerance: 3 }).same, true);
  assert.equal(compareNumbers(output([0]), output([1e-6]), {}).same, false);
  assert.equal(compareNumbers(output([0]), output([1e-12]), {}).same, true, 'what rounding leaves of 0');
  assert.equal(compareNumbers(output([0]), output([1e-12]), { tolerance: 0 }).same, false);
  assert.equal(compareNumbers(output([1e-12, 4]), output([1, 4]), {}).sumRelative, 0);
});

test('regression: NaN and infinities are the same only as each other', () => {
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  assert.equal(compareNumbers(output(odd), output(odd), {}).same, true);
  const found = compareNumbers(output([...odd, 1]), output([1, Number.NEGATIVE_INFINITY, 5, Number.NaN]), {});
  assert.deepEqual([found.nonFinite, found.outside, found.sumAbs], [4, 4, 0]);
});

test('ranking: tau-b and rank-biased overlap are those of the literature', () => {
  near(kendallTau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]), -0.471405);
  near(rankBiasedOverlap([...'abcde'], [...'abced'], 0.9), 0.981775);
  near(rankBiasedOverlap([...'abcdefghij'], [...'bacdefghij'], 0.9), 0.9);
  assert.equal(rankBiasedOverlap(['a', 'b'], ['c', 'd'], 0.9), 0);
  near(rankBiasedOverlap([...'abc'], [...'abc'], 0.9), 1);
  assert.deepEqual([rankBiasedOverlap([], [], 0.9), rankBiasedOverlap(['a'], [], 0.9)], [1, 0]);
});

test('ranking: lists of ids, or scores that rank their places, by their first places', () => {
  const ids = (text: string) => output([...text], [text.length], 'BYTES');
  const swapped = compareRanking(ids('abcde'), ids('abced'), {});
  assert.deepEqual([swapped.same, swapped.overlap], [false, 1]);
  near(swapped.rbo, 0.981775);
  near(swapped.tau, 0.8);
  assert.equal(compareRanking(ids('abcde'), ids('abced'), { tolerance: 0.02 }).same, true);
  assert.equal(compareRanking(ids('abcde'), ids('abced'), { top: 3 }).same, true);
  assert.equal(compareRanking(ids('abc'), ids('abcd'), {}).same, false);
  const repeated = compareRanking(ids('aaaab'), ids('aaaac'), {});
  assert.ok(repeated.rbo > 0.6 && repeated.rbo < 1, `${repeated.rbo}`);
  for (const [one, other] of [
    ['aab', 'aba'],
    ['aaaa', 'aaaa'],
    ['abab', 'baba'],
    ['aaa', 'abc'],
  ] as const) {
    const { rbo, overlap, tau } = compareRanking(ids(one), ids(other), {});
    assert.ok(rbo >= 0 && rbo <= 1 && overlap <= 1 && Math.abs(tau) <= 1, `${one} ${other} ${rbo} ${overlap} ${tau}`);
  }
  assert.equal(compareRanking(ids('aaa'), ids('aa'), { tolerance: 0.05 }).same, false);
  assert.equal(compareRanking(ids('abcdefghij'), ids('ab'), { tolerance: 0.2 }).same, false, 'eight are missing');
  assert.equal(compareRanking(ids('ab'), ids('abcdefghij'), { tolerance: 0.2 }).same, false, 'eight are too many');
  const rows = (text: string) => output([...text], [text.length / 2, 2], 'BYTES');
  assert.equal(compareRanking(rows('abcdef'), rows('abcdeg'), { tolerance: 0.2 }).same, false, 'one row is another');
  assert.equal(compareRanking(rows('ab'), rows('abcd'), { tolerance: 0.2 }).same, false, 'a row more');
  const withNaN = (...first: number[]) => output([...first, Number.NaN, 0.5], [1, first.length + 2]);
  assert.equal(compareRanking(withNaN(0.9, 0.1), withNaN(0.8, 0.2), {}).same, true);
  assert.equal(compareRanking(withNaN(0.9, 0.1), withNaN(0.1, 0.9), {}).same, false);
  const scores = compareRanking(output([0.1, 0.9, 0.5], [1, 3]), output([0.2, 0.8, 0.6], [1, 3]), {});
  assert.deepEqual([scores.same, scores.distance], [true, 0]);
});

test('embeddings: cosine and norm ratio, row by row', () => {
  const turned = compareEmbeddings(output([1, 0, 0, 2], [2, 2]), output([1, 0, 2, 0], [2, 2]), {});
  assert.deepEqual([turned.same, turned.cosine, turned.normRatio], [false, 0.5, 1]);
  const longer = compareEmbeddings(output([3, 4]), output([6, 8]), {});
  assert.deepEqual([longer.same, longer.normRatio], [true, 2]);
  assert.equal(compareEmbeddings(output([0, 0]), output([0, 0]), {}).same, true);
  assert.equal(compareEmbeddings(output([0, 0]), output([1, 0]), {}).cosine, 0);
  assert.equal(compareEmbeddings(output([Number.NaN, 1]), output([1, 1]), {}).same, false);
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const beside = (a: number[], b: number[]) => compareEmbeddings(output(a), output(b), {});
  assert.deepEqual([beside(odd, odd).same, beside(odd, odd).distance], [true, 0]);
  assert.equal(beside([...odd, 1, 2], [...odd, 1, 2]).same, true);
  assert.equal(beside([...odd, 1, 2], [...odd, 2, 1]).same, false);
  assert.equal(beside([Number.POSITIVE_INFINITY, 1], [Number.NEGATIVE_INFINITY, 1]).same, false);
  assert.equal(beside([1, 1], [Number.NaN, 1]).same, false);
  assert.equal(beside([0, Number.NaN], [0, 0]).same, false);
  assert.equal(beside([0, 0], [1e-12, 0]).same, true, 'what rounding leaves of 0');
  near(beside([1e200, 0], [1e200, 1e200]).cosine, Math.SQRT1_2);
  near(beside([1e-7, 0], [0, 1e-7]).cosine, 0);
});

test('text: white space and composed letters do not count, words do', () => {
  const texts = (...values: string[]) => output(values, [values.length], 'BYTES');
  assert.equal(compareText(texts(' a  b\n'), texts('a b'), {}).same, true);
  assert.equal(compareText(texts('e\u0301'), texts('\u00e9'), {}).same, true);
  const changed = compareText(texts('the cat sat'), texts('the dog sat'), {});
  near(changed.distance, 1 / 3);
  assert.deepEqual(
    [changed.same, compareText(texts('the cat sat'), texts('the dog sat'), { tolerance: 0.4 }).same],
    [false, true],
  );
  near(compareText(texts('a', 'b'), texts('a'), {}).distance, 0.5);
  const long = compareText(texts('w '.repeat(200_000)), texts('v '.repeat(200_000)), {});
  near(long.distance, 1);
});

test('text: in scripts without spaces each letter counts, with its marks', () => {
  const distance = (a: string, b: string) =>
    compareText(output([a], [1], 'BYTES'), output([b], [1], 'BYTES'), {}).distance;
  near(distance('模型路由和网关', '模型路由和网关。'), 1 / 8);
  near(distance('今天天气很好', '今天天气不好'), 1 / 6);
  near(distance('モデルは速い', 'モデルは遅い'), 1 / 6);
  near(distance('สวัสดี', 'สวัสดีครับ'), 3 / 7);
  near(distance('我用 GPU 推理', '我用 CPU 推理'), 1 / 5);
  near(distance('한국어 문장 하나', '한국어 문장 둘'), 1 / 3);
});

test('text: what differs behind ten thousand words differs', () => {
  const distance = (a: string, b: string) =>
    compareText(output([a], [1], 'BYTES'), output([b], [1], 'BYTES'), {}).distance;
  const words = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `w${i + from}`).join(' ');
  near(distance(`${words(500)} yes`, `${words(500)} no`), 1 / 501);
  near(distance(words(500), `${words(500)} and more`), 2 / 502);
  near(distance(`a ${words(3000)} b`, `c ${words(3000)} d`), 2 / 3002, 1e-9);
  near(distance(`${words(1000)} ${words(1000, 5000)}`, words(1000)), 0.5, 1e-9);
  const far = distance(`a ${words(60_000)} b`, `c ${words(60_000)} d`);
  assert.ok(far > 1 / 60_002 && far < 0.01, `${far}`);
});

test('text: what is no text is compared by its digits', () => {
  const same = (a: unknown, b: unknown) => compareText(output([a] as never), output([b] as never), {}).same;
  assert.deepEqual(
    [same(Number.NaN, Number.NaN), same(Number.NaN, Number.POSITIVE_INFINITY), same(null, Number.NaN)],
    [true, false, false],
  );
  assert.deepEqual([same(2n ** 60n, 2n ** 60n + 1n), same([2n ** 60n], [2n ** 60n])], [false, true]);
});

test('text: with a tolerance every element is within it', () => {
  const texts = (...values: string[]) => output(values, [values.length], 'BYTES');
  assert.equal(compareText(texts('a', 'b', 'c', 'd'), texts('a', 'b', 'c', 'x'), { tolerance: 0.3 }).same, false);
});

test('the distance of word lists is the one of the whole table, 3,000 times', () => {
  const random = randomFrom(3);
  const list = (most: number, letters: number) =>
    Array.from({ length: Math.floor(random() * most) }, () => `${Math.floor(random() * letters)}`);
  for (let i = 0; i < 3000; i++) {
    const [most, letters] = [i % 10 === 0 ? 200 : 40, 2 + (i % 7)];
    const [a, b] = [list(most, letters), list(most, letters)];
    assert.equal(editDistance(a, b), byTable(a, b), `${a} ${b}`);
  }
});

/** Wagner and Fischer's table. */
function byTable(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, word] of a.entries()) {
    const next = [i + 1];
    for (const [j, other] of b.entries())
      next.push(Math.min((row[j] ?? 0) + Number(word !== other), (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    row = next;
  }
  return row[b.length] ?? 0;
}

test('exact: every digit counts, and so does what is inside', () => {
  const big = 2n ** 60n;
  assert.equal(compareExactly(output([big], [1], 'INT64'), output([big + 1n], [1], 'INT64')).same, false);
  assert.equal(compareExactly(output([5n], [1], 'INT64'), output([5], [1], 'INT64')).same, true);
  assert.equal(compareExactly(output([Number.NaN, 0]), output([Number.NaN, -0])).same, true);
  const found = compareExactly(output([1, 2, 3, 4]), output([1, 2, 0, 4]));
  assert.deepEqual([found.differing, found.count, found.distance], [1, 4, 0.25]);
  const json = (value: Json) => output([value], [], 'JSON');
  assert.equal(compareExactly(json({ a: [1, { b: null }] }), json({ a: [1, { b: null }] })).same, true);
  assert.equal(compareExactly(json({ a: 1 }), json({ b: 1 })).same, false);
});

const jsonTable: readonly [name: string, a: Json, b: Json, expected: readonly [string, string, number][]][] = [
  ['nothing', { a: 1, b: [1, 'x', null] }, { b: [1, 'x', null], a: 1 }, []],
  ['a value', { a: { b: 'x' } }, { a: { b: 'y' } }, [['a.b', 'value', 1]]],
  ['numbers by how far', { a: 1 }, { a: 3.5 }, [['a', 'value', 2.5]]],
  ['a type', { a: 1 }, { a: '1' }, [['a', 'type', 1]]],
  ['null is a type', { a: null }, { a: {} }, [['a', 'type', 1]]],
  [
    'missing and extra',
    { a: 1 },
    { b: 1 },
    [
      ['a', 'missing', 1],
      ['b', 'extra', 1],
    ],
  ],
  ['another order', { a: [1, 2, 3] }, { a: [3, 1, 2] }, [['a', 'order', 1]]],
  ['another length', { a: [1, 2] }, { a: [1, 2, 3, 4] }, [['a', 'length', 2]]],
  ['elements under one name', { a: [{ s: 1 }, { s: 2 }] }, { a: [{ s: 1 }, { s: 4 }] }, [['a.*.s', 'value', 2]]],
  ['a key called __proto__', JSON.parse('{"__proto__":1}'), JSON.parse('{"__proto__":2}'), [['__proto__', 'value', 1]]],
  ['large integers that a double cannot tell apart', { a: 2n ** 60n }, { a: 2n ** 60n + 1n }, [['a', 'value', 1]]],
];

for (const [name, a, b, expected] of jsonTable)
  test(`json: ${name}`, () => {
    const found = compareJson(a, b, {}).map((field) => {
      assert.ok(field.as === 'json' && !field.same);
      return [field.field, field.difference, field.distance];
    });
    assert.deepEqual(found, expected);
  });

test('json: NaN beside NaN and an infinity beside itself are the same, wherever they stand', () => {
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2n ** 60n];
  assert.deepEqual(compareJson(odd, odd, {}), []);
  assert.deepEqual(compareJson({ a: odd, b: [[Number.NaN]] }, { a: odd, b: [[Number.NaN]] }, { tolerance: 1 }), []);
  assert.deepEqual(
    compareJson([Number.NaN, 1], [1, Number.NaN], {}).map((found) => found.as === 'json' && found.difference),
    ['order'],
  );
  assert.equal(compareJson({ a: Number.NaN }, { a: Number.POSITIVE_INFINITY }, { tolerance: 9 }).length, 1);
});

test('json: only the wanted fields are looked at, and numbers within the tolerance are the same', () => {
  const a = { id: 'x', choices: [{ score: 0.5, text: 'a' }] };
  const b = { id: 'y', choices: [{ score: 0.52, text: 'b' }] };
  const fields = (spec: { fields?: string[]; tolerance?: number }) => compareJson(a, b, spec).map(({ field }) => field);
  assert.deepEqual(fields({}), ['id', 'choices.*.score', 'choices.*.text']);
  assert.deepEqual(fields({ fields: ['choices.*.score'] }), ['choices.*.score']);
  assert.deepEqual(fields({ fields: ['choices.0.text', 'absent'] }), ['choices.*.text']);
  assert.deepEqual(fields({ fields: ['choices'], tolerance: 0.05 }), ['choices.*.text']);
});

test('json: fields and values that one pair may cost are bounded', () => {
  const wide = (value: number) => Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, value]));
  assert.equal(compareJson(wide(1), wide(2), {}).length, 64);
  const long = compareJson({ ['k'.repeat(5000)]: 1 }, {}, {});
  assert.ok((long[0]?.field.length ?? 0) <= 128);
});
