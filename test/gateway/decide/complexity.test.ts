import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateRawSync } from 'node:zlib';
import { complexityOf, featureOf } from '../../../gateway/decide/complexity.ts';
import { View } from '../../../gateway/decide/view.ts';
import type { Feature } from '../../../gateway/policy/conditions.ts';
import { request } from './setup.ts';

const view = (body: unknown, headers: Record<string, string> = {}) => new View(request(headers, body));
const value = (kind: Feature['kind'], body: unknown, path: string[] = []) => featureOf({ kind, path }, view(body));
const feature = (kind: Feature['kind'], low: number, high: number, weight = 1, path: string[] = []): Feature => ({
  kind,
  path,
  weight,
  low,
  high,
});

/** A feature, a body, its value counted by hand; undefined is no signal. */
const VALUES: readonly (readonly [Feature['kind'], unknown, number | undefined])[] = [
  ['bytes', Buffer.from('12345'), 5],
  ['bytes', Buffer.from('é'), 2],
  ['bytes', Buffer.alloc(0), 0],
  ['text_length', { inputs: [{ datatype: 'BYTES', data: ['hello', 'you'] }] }, 9], // with the line break between them
  ['text_length', { instances: ['😀é'] }, 2],
  ['text_length', { instances: [{ text: 'abc', n: 4 }] }, 3],
  ['text_length', { inputs: [{ data: [1, 2] }] }, undefined],
  ['text_length', { inputs: [{ datatype: 'BYTES', data: [''] }] }, undefined],
  ['words', { instances: ['  two\twords \n'] }, 2],
  ['words', { instances: ['one', 'and two more'] }, 4],
  ['words', { instances: ['   '] }, 0],
  ['digits_ratio', { instances: ['ab12'] }, 0.5],
  ['digits_ratio', { instances: ['٣😀'] }, 0.5], // digits of any script, characters and not UTF-16 units
  ['digits_ratio', { instances: ['abc'] }, 0],
  [
    'elements',
    {
      inputs: [
        {
          datatype: 'FP32',
          shape: [2, 2],
          data: [
            [1, 2],
            [3, 4],
          ],
        },
      ],
    },
    4,
  ],
  ['elements', { inputs: [{ data: [1, null, true] }, { data: ['text', 2] }] }, 4],
  ['elements', { instances: [[1, 2], [3]] }, 3],
  ['elements', { inputs: [1, 2, 3] }, 3],
  ['elements', { inputs: { a: [1, 2], b: [3] } }, 3],
  ['elements', { inputs: [{ datatype: 'BYTES', data: ['text'] }] }, undefined],
  ['elements', { inputs: [{ data: [] }] }, undefined],
  ['elements', { other: [1, 2] }, undefined],
  ['missing', { inputs: [{ data: [1, null, 3, null] }] }, 2],
  ['missing', { inputs: [{ data: [1, 2] }] }, 0],
  ['missing', { inputs: [{ data: ['text'] }] }, undefined],
  ['missing', Buffer.from('{"inputs": [{"data": [NaN, Infinity, -Infinity, 1, null]}]}'), 4],
  ['missing', Buffer.from('{"inputs": [{"data": [1e400, -1e400, 1]}]}'), 2],
];

for (const [kind, body, expected] of VALUES) {
  const shown = Buffer.isBuffer(body) ? body.toString() : JSON.stringify(body);
  test(`${kind} of ${shown} is ${expected ?? 'no signal'}`, () => {
    assert.equal(value(kind, body), expected);
  });
}

test('a field is the finite number that the caller sends, and nothing else', () => {
  const field = (sent: unknown) => value('field', { meta: { difficulty: sent } }, ['meta', 'difficulty']);
  assert.equal(field(7.5), 7.5);
  for (const sent of ['7.5', null, true, [7], {}, undefined])
    assert.equal(field(sent), undefined, JSON.stringify(sent));
  assert.equal(value('field', Buffer.from('{"a": 1e400}'), ['a']), undefined);
  assert.equal(value('field', {}, ['constructor', 'length']), undefined);
  assert.equal(value('field', {}, ['__proto__', 'length']), undefined);
});

test('repeated text compresses to little and text without repetition to much', () => {
  const repeated = value('compression_ratio', { instances: ['spam '.repeat(200)] }) ?? 1;
  assert.equal(repeated, deflateRawSync('spam '.repeat(200), { level: 1 }).length / 1000);
  assert.ok(repeated < 0.05, `${repeated}`);
  const dense = value('compression_ratio', { instances: [deflateRawSync(Buffer.alloc(9000, 'k')).toString('base64')] });
  assert.ok(dense !== undefined && dense > 0.5, `${dense}`);
});

test('only the first 4,096 characters are compressed, whatever the length', () => {
  const start = 'x'.repeat(4096);
  assert.equal(
    value('compression_ratio', { instances: [start] }),
    value('compression_ratio', { instances: [`${start}${'0123456789abcdef'.repeat(9999)}`] }),
  );
});

/** Features, a body, the score by hand. */
const SCORES: readonly (readonly [string, readonly Feature[], unknown, number | undefined])[] = [
  ['in the middle', [feature('text_length', 0, 10)], { instances: ['12345'] }, 0.5],
  ['at the lower end', [feature('text_length', 5, 10)], { instances: ['12345'] }, 0],
  ['below the lower end', [feature('text_length', 8, 10)], { instances: ['12345'] }, 0],
  ['at the upper end', [feature('text_length', 0, 5)], { instances: ['12345'] }, 1],
  ['above the upper end', [feature('text_length', 0, 2)], { instances: ['12345'] }, 1],
  ['on a negative scale', [feature('field', -10, 10, 1, ['n'])], { n: -5 }, 0.25],
  ['of two features alike', [feature('text_length', 0, 10), feature('words', 0, 1)], { instances: ['12345'] }, 0.75],
  ['of weights 3 and 1', [feature('text_length', 0, 10, 3), feature('words', 0, 1)], { instances: ['12345'] }, 0.625],
  [
    'of weights 300 and 100',
    [feature('text_length', 0, 10, 300), feature('words', 0, 1, 100)],
    { instances: ['12345'] },
    0.625,
  ],
  [
    'of what is there alone',
    [feature('text_length', 0, 10), feature('elements', 0, 1, 9)],
    { instances: ['12345'] },
    0.5,
  ],
  ['of nothing', [feature('text_length', 0, 10), feature('elements', 0, 1)], {}, undefined],
  ['of no features', [], { instances: ['12345'] }, undefined],
  ['of an unreadable body by its bytes', [feature('bytes', 0, 10), feature('words', 0, 1)], Buffer.from('12345'), 0.5],
  ['of huge numbers', [feature('field', 0, 1e308, 1, ['n'])], { n: 1.7e308 }, 1],
];

for (const [what, features, body, expected] of SCORES) {
  test(`the complexity ${what} is ${expected ?? 'no signal'}`, () => {
    assert.equal(complexityOf({ features }, view(body)), expected);
  });
}

test('of a binary request the JSON part alone is read, and what stands in the binary part is no signal', () => {
  const json = '{"inputs":[{"name":"text","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":9}}]}';
  const headers = { 'inference-header-content-length': `${json.length}` };
  const body = Buffer.concat([Buffer.from(json), Buffer.from([5, 0, 0, 0]), Buffer.from('hello')]);
  for (const kind of ['text_length', 'words', 'digits_ratio', 'compression_ratio', 'elements', 'missing'] as const)
    assert.equal(featureOf({ kind, path: [] }, view(body, headers)), undefined, kind);
  assert.equal(featureOf({ kind: 'field', path: ['inputs', '0', 'shape', '0'] }, view(body, headers)), 1);
});
