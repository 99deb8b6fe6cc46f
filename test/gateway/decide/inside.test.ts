import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { lookInside, valueAt } from '../../../gateway/decide/inside.ts';

const MIB = 1024 * 1024;

const look = (body: string | Buffer, headerLength?: string) => {
  const seen = lookInside(Buffer.from(body), headerLength);
  return typeof seen === 'string' ? undefined : seen;
};

test('texts and numbers are read out of v2 inputs, v1 instances and v1 inputs', () => {
  assert.deepEqual(
    look('{"inputs":[{"name":"n","datatype":"BYTES","shape":[2],"data":["a","b"]},{"data":[1,[2,null]]}]}'),
    {
      json: {
        inputs: [{ name: 'n', datatype: 'BYTES', shape: [2], data: ['a', 'b'] }, { data: [1, [2, null]] }],
      },
      text: 'a\nb',
      elements: 3,
      missing: 1,
    },
  );
  assert.deepEqual(look('{"instances":[{"text":"a","n":1}]}')?.text, 'a');
  assert.deepEqual(look('{"inputs":{"text":["a","b"]}}')?.text, 'a\nb');
  assert.deepEqual(look('{"model":"llm","prompt":"hello"}'), {
    json: { model: 'llm', prompt: 'hello' },
    text: undefined,
    elements: undefined,
    missing: undefined,
  });
});

test('names, shapes and parameters of tensors are no texts and no numbers of the input', () => {
  for (const input of [
    '{"name":"text","datatype":"BYTES","shape":[1]}',
    '{"name":"x","datatype":"FP32","shape":[9],"parameters":{"binary_data_size":36}}',
  ])
    assert.deepEqual(
      { ...look(`{"inputs":[${input}]}`), json: null },
      { json: null, text: undefined, elements: undefined, missing: undefined },
    );
});

/** Bodies that show nothing, and none of them throws. */
const UNREADABLE: readonly (readonly [string, Buffer | string, string?])[] = [
  ['an empty body', ''],
  ['blanks', '  \n'],
  ['a number', '5'],
  ['a text', '"text"'],
  ['null', 'null'],
  ['half a body', '{"inputs":[{"data":["abc'],
  ['two bodies', '{} {}'],
  ['gzip', gzipSync('{"instances":["text"]}')],
  ['bytes that are no UTF-8', Buffer.from([0x80, 0xff, 0xfe, 0x00])],
  ['a form', 'text=abc'],
  ['65 levels', `${'['.repeat(65)}${']'.repeat(65)}`],
  ['a body beyond 1 MiB', `{"instances":["${'x'.repeat(MIB)}"]}`],
  ['a header length of 0', '{}', '0'],
  ['a header length beyond the body', '{}', '3'],
  ['a negative header length', '{}', '-1'],
  ['a header length that is no number', '{}', '2x'],
  ['a header length in hex', '{}', '0x2'],
  ['a header length of many digits', '{}', '9'.repeat(400)],
  ['an empty header length', '{}', ''],
  ['a header length that cuts the JSON', '{"a":1}', '6'],
];

for (const [what, body, headerLength] of UNREADABLE) {
  test(`${what} shows nothing`, () => {
    assert.equal(look(body, headerLength), undefined);
  });
}

test('of a binary request only the JSON part is parsed', () => {
  assert.deepEqual(look('{"a":1}\0\x01\x02', '7')?.json, { a: 1 });
  assert.deepEqual(look(Buffer.concat([Buffer.from('{"a":1}'), Buffer.alloc(3 * MIB)]), '7')?.json, { a: 1 });
});

test('64 levels are read, and brackets in texts are no levels', () => {
  assert.ok(look(`${'['.repeat(64)}${']'.repeat(64)}`));
  assert.equal(look(`{"instances":["${'['.repeat(1000)}"]}`)?.text, '['.repeat(1000));
  assert.equal(look(String.raw`{"instances":["\"[[[[", "\\"]}`)?.text, '"[[[[\n\\');
});

test('bare NaN and Infinity are missing numbers, and in texts they are text', () => {
  const seen = look('{"inputs":[{"data":[NaN,-Infinity,Infinity,1]},{"data":["NaN, -Infinity \\"NaN\\""]}]}');
  assert.deepEqual([seen?.elements, seen?.missing, seen?.text], [4, 3, 'NaN, -Infinity "NaN"']);
});

/** Bodies made to be slow, and the milliseconds within which each is given up on a busy machine. */
const HOSTILE: readonly (readonly [string, () => string | Buffer, number])[] = [
  ['five million brackets', () => '['.repeat(5_000_000), 50],
  ['a megabyte of brackets', () => '['.repeat(MIB), 50],
  ['a megabyte of objects', () => '{"a":'.repeat(MIB / 5), 500],
  ['a text that is never closed', () => `{"a":"${'x'.repeat(MIB - 10)}`, 500],
  ['quotes that are escaped for ever', () => `"${'\\"'.repeat(MIB / 2 - 1)}`, 500],
  ['backslashes', () => `"${'\\'.repeat(MIB - 1)}`, 500],
  ['a million minus signs', () => '-'.repeat(MIB), 500],
  ['a hundred megabytes', () => Buffer.alloc(100 * MIB, '['), 500],
];

for (const [what, make, limit] of HOSTILE) {
  test(`${what} are given up within ${limit} ms`, () => {
    const body = Buffer.from(make());
    look('{"warm": NaN}');
    const start = performance.now();
    assert.equal(typeof lookInside(body, undefined), 'string');
    const took = performance.now() - start;
    assert.ok(took < limit, `${took} ms`);
  });
}

test('a megabyte of good JSON is read within a second', () => {
  for (const body of [
    `{"inputs":[{"data":[${'1,'.repeat(500_000)}1]}]}`,
    `{"instances":[${'"a",'.repeat(250_000)}"a"]}`,
    `{${Array.from({ length: 100_000 }, (_, i) => `"${i.toString(36)}":1`).join()}}`,
    `{"instances":[${'NaN,'.repeat(250_000)}1]}`,
  ]) {
    const start = performance.now();
    assert.ok(look(body));
    const took = performance.now() - start;
    assert.ok(took < 1000, `${took} ms`);
  }
});

test('a path leads to what the body holds, and never to what every object has', () => {
  const json = JSON.parse('{"a":{"b":[{"c":1}]},"__proto__":{"x":2},"constructor":3,"n":null,"s":"text"}');
  const at = (path: string) => valueAt(json, path.split('.'));
  assert.equal(at('a.b.0.c'), 1);
  assert.equal(at('__proto__.x'), 2);
  assert.equal(at('constructor'), 3);
  assert.equal(at('n'), null);
  for (const path of [
    'a.c',
    'a.b.1',
    'a.b.-1',
    'n.x',
    's.0',
    's.length',
    'a.__proto__',
    'a.constructor',
    'a.b.map',
    'a.b.length',
    'a.toString',
  ])
    assert.equal(at(path), undefined, path);
  for (const nothing of [undefined, null, 5, 'text']) assert.equal(valueAt(nothing, ['a']), undefined);
});
