import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { RequestError } from '../../../model-server/errors.ts';
import { parseJson } from '../../../model-server/http/json.ts';

test('bare NaN and Infinity are read as numbers, inside strings they stay text', () => {
  const text = '{"data":[NaN, -Infinity,Infinity,1],"id":"NaN \\" Infinity","Infinity":null}';
  assert.deepEqual(parseJson(Buffer.from(text)), {
    data: [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, 1],
    id: 'NaN " Infinity',
    Infinity: null,
  });
});

test('tokens are found between strings that spell them, at any depth', () => {
  const text = '{"NaN":[[NaN],{"a":Infinity,"b":"-Infinity"}],"\\\\":NaN,"é":["\\"NaN",-Infinity,null,true,"N"]}';
  assert.deepEqual(parseJson(Buffer.from(text)), {
    NaN: [[Number.NaN], { a: Number.POSITIVE_INFINITY, b: '-Infinity' }],
    '\\': Number.NaN,
    é: ['"NaN', Number.NEGATIVE_INFINITY, null, true, 'N'],
  });
});

test('with exact, whole numbers beyond 2^53 keep every digit and everything else stays as it was', () => {
  const text =
    '{"a":[9223372036854775807,-9223372036854775808, 9007199254740993],"b":"1234567890123456789","c":0.12345678901234567,' +
    '"d":1234567890123456789e2,"e":12345678901234567.5,"f":123456789012345,"g":[NaN,1e-1234567890123456]}';
  assert.deepEqual(parseJson(Buffer.from(text), { exact: true }), {
    a: [9223372036854775807n, -9223372036854775808n, 9007199254740993n],
    b: '1234567890123456789',
    c: Number('0.12345678901234567'),
    d: Number('1234567890123456789e2'),
    e: Number('12345678901234567.5'),
    f: 123456789012345,
    g: [Number.NaN, 0],
  });
});

test('with exact, what is no JSON stays none', () => {
  for (const text of [
    '[01234567890123456]',
    '[-]',
    '[12345678901234567 8]',
    '{1234567890123456789:1}',
    '[+1234567890123456789]',
  ]) {
    assert.throws(() => parseJson(Buffer.from(text), { exact: true }), /not valid JSON/);
  }
});

test('an own __proto__ key stays a key', () => {
  const body = parseJson(Buffer.from('{"__proto__":{"inputs":[]},"x":NaN}'));
  assert.ok(typeof body === 'object' && body !== null);
  assert.equal('inputs' in body, false);
  assert.equal('inputs' in {}, false);
});

const broken: readonly [string, Buffer | undefined][] = [
  ['no body', undefined],
  ['an empty body', Buffer.alloc(0)],
  ['half an object', Buffer.from('{"inputs":[')],
  ['a token that only starts like NaN', Buffer.from('[NaNa]')],
  ['a number that runs into Infinity', Buffer.from('[1Infinity]')],
  ['a number that Infinity runs into', Buffer.from('[Infinity5]')],
  ['NaN as a name without quotes', Buffer.from('{"instances":[{NaN:1}]}')],
  ['a minus before NaN', Buffer.from('[-NaN]')],
  ['an open string with NaN', Buffer.from('["NaN')],
  ['a byte order mark', Buffer.from('\ufeff{}')],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
  ['200,000 open brackets', Buffer.from('['.repeat(200_000))],
  ['200,000 nested objects', Buffer.from(`${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`)],
  ['20,000 nested arrays around NaN', Buffer.from(`${'['.repeat(20_000)}NaN${']'.repeat(20_000)}`)],
];

for (const [name, body] of broken) {
  test(`${name} is refused as a bad request`, () => {
    assert.throws(
      () => parseJson(body),
      (error) => error instanceof RequestError && error.ending === 'bad_request',
    );
  });
}

test('a refusal shows what was sent and nothing that stood in for it', () => {
  for (const text of ['{"instances":[{NaN:1}]}', '[NaN,]', '[1Infinity]']) {
    assert.throws(() => parseJson(Buffer.from(text)), /^RequestError: the body is not valid JSON: (?!.*[0-9a-f]{8})/);
  }
});

test('brackets inside a large string are no nesting', () => {
  const text = `["${'[\\"{'.repeat(50_000)}"]`;
  assert.deepEqual(parseJson(Buffer.from(text)), JSON.parse(text));
});

test('a body that would unfold into more than the heap is refused, and what is accepted is read', () => {
  const script = `
    const { parseJson } = await import('./dist/model-server/http/json.js');
    const kinds = { objects: '{}', rows: '[0]', nan: 'NaN', strings: '"ab"', numbers: '1.5', same: '{"a":1,"b":2.5}' };
    for (const [kind, value] of Object.entries(kinds))
      for (const mebibytes of [48, 24, 12, 6, 3]) {
        const body = Buffer.alloc(mebibytes * 2 ** 20, value + ',');
        const whole = Buffer.concat([Buffer.from('['), body.subarray(0, body.lastIndexOf(',')), Buffer.from(']')]);
        try {
          parseJson(whole, { exact: true });
          console.log(kind, mebibytes);
          break;
        } catch (error) {
          if (error.ending !== 'too_large') throw error;
        }
      }`;
  const args = ['--max-old-space-size=256', '--input-type=module', '-e', script];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const read = Object.fromEntries(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split(' ')),
  );
  assert.deepEqual(Object.keys(read), ['objects', 'rows', 'nan', 'strings', 'numbers', 'same']);
  assert.ok(Number(read.objects) < 24 && Number(read.numbers) >= 12, stdout);
});
