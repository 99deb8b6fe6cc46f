// Every reader of bodies reads JSON alike: the model server, the gateway's rules, its comparisons and its commands. The
// differences that are wanted are those of `readers.ts`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseWhole } from '../../../gateway/cli/text/exact-json.ts';
import { readAnswer } from '../../../gateway/compare/read.ts';
import { confidenceIn } from '../../../gateway/decide/confidence.ts';
import { jsonWithin } from '../../../gateway/decide/inside.ts';
import { parseJson } from '../../../model-server/http/json.ts';
import { readInferRequest } from '../../../model-server/http/v2.ts';
import { BeyondBounds, type Json, readJson } from '../../../model-server/protocol/json.ts';
import { jsonLengthOf } from '../../../model-server/protocol/json-length.ts';
import { JSON_LENGTH_HEADER } from '../../../model-server/protocol/names.ts';
import { COMPARISON, EXACT, POLICY } from '../../../model-server/protocol/readers.ts';

const REFUSED = Symbol('refused');

/** What each makes of a text that holds one list or object. */
function readings(text: string): Readonly<Record<string, unknown>> {
  const body = Buffer.from(text);
  return {
    server: orRefused(() => parseJson(body)),
    'server, exact': orRefused(() => parseJson(body, { exact: true })),
    policy: jsonWithin(body, undefined) ?? REFUSED,
    comparison: compared(body),
    command: orRefused(() => parseWhole(text)),
  };
}

function orRefused(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return REFUSED;
  }
}

function compared(body: Buffer): unknown {
  const side = { body, contentType: 'application/json', encoding: undefined, headerLength: undefined };
  const reading = readAnswer(side, { as: 'json' });
  if (reading.kind !== 'outputs') return REFUSED;
  return reading.outputs[0]?.values[0];
}

/** The value as a reader has it who rounds long integers, or who has no word for NaN and Infinity. */
function withoutDigits(value: Json, isTokenNull: boolean): Json {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' && !Number.isFinite(value) && isTokenNull) return null;
  if (Array.isArray(value)) return value.map((item: Json) => withoutDigits(item, isTokenNull));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutDigits(item, isTokenNull)]));
}

function allRead(text: string, expected: Json): void {
  assert.deepEqual(readings(text), {
    server: withoutDigits(expected, false),
    'server, exact': expected,
    policy: withoutDigits(expected, true),
    comparison: expected,
    command: expected,
  });
}

function allRefuse(text: string): void {
  for (const [reader, reading] of Object.entries(readings(text)))
    assert.equal(reading, REFUSED, `${reader} of ${text.slice(0, 80)}`);
}

test('NaN, Infinity and integers of 64 bits are read alike by all', () => {
  allRead('{"a":[NaN, -Infinity,Infinity,-0],"NaN":"NaN"}', {
    a: [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY, -0],
    NaN: 'NaN',
  });
  allRead('[9007199254740993,-9223372036854775808]', [9007199254740993n, -9223372036854775808n]);
});

test('an integer of 16 digits that a double holds is a number to all', () => {
  allRead('{"parameters":{"timeout":1234567890123456},"id":[9007199254740993]}', {
    parameters: { timeout: 1234567890123456 },
    id: [9007199254740993n],
  });
});

test('64 levels are read by all and 65 by none; the model server counts them in long texts and those with tokens', () => {
  const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  for (const text of [nested(64), `[NaN,${nested(63)}]`, `[12345678901234567890,${nested(63)}]`])
    for (const [reader, reading] of Object.entries(readings(text)))
      assert.notEqual(reading, REFUSED, `${reader} of ${text}`);
  for (const text of [`[NaN,${nested(64)}]`, `["${'a'.repeat(64 * 1024)}",${nested(64)}]`]) allRefuse(text);
  for (const [reader, reading] of Object.entries(readings(nested(65))))
    assert.equal(reading === REFUSED, !reader.startsWith('server'), reader);
});

test('what is no JSON is none to all', () => {
  for (const text of [
    '[-NaN]',
    '[NaNa]',
    '[NaN.5]',
    '[1Infinity]',
    '[Infinity5]',
    '{NaN:1}',
    '{1234567890123456789:1}',
    '[01234567890123456]',
    '["NaN',
    '["a\tb",NaN]',
    '["a","\\x",NaN]',
    '\ufeff{}',
    '[1,]',
    '{"a"}',
    '[+1]',
    '[.5,NaN]',
    '[NaN]]',
  ])
    allRefuse(text);
});

test('brackets inside strings are no levels', () => {
  allRead(`["${'[\\"{'.repeat(200)}"]`, ['["{'.repeat(200)]);
});

test('a text that looks like what stands in for a number stays a text', () => {
  for (const like of ['\x7f?', '\x7f-', '\x7f\x7f', '\x7f#123', '\x7f'])
    allRead(`{"${like}":["${like}","\\u007f?","\\u007F",NaN]}`, {
      [like]: [like, '\x7f?', '\x7f', Number.NaN],
    });
});

test('a length of JSON is digits to all, and anything else is out of range', () => {
  const answer = '{"outputs":[{"name":"p","datatype":"FP32","shape":[1,2],"data":[0.2,0.8]}]}';
  const body = Buffer.from(answer.padEnd(100));
  const read = (length: string) => {
    const side = { body, contentType: '', encoding: undefined, headerLength: jsonLengthOf(length) };
    return {
      server: refusalOf(() => readInferRequest(body, length, { inputs: [], outputs: [] })),
      live: confidenceIn({ from: 'output', name: 'p', as: 'max' }, body, length),
      stored: readAnswer(side, { as: 'exact' }).kind,
    };
  };
  const refused = `${JSON_LENGTH_HEADER} must be a number from 0 to 100, the length of the body`;
  for (const length of ['1e2', '0x64', '+99', ' 99', '99.0', '', '-1', '101', 'NaN'])
    assert.deepEqual(read(length), { server: refused, live: undefined, stored: 'unreadable' }, length);
  for (const length of ['99', '100', '0000000000099']) {
    const { server, ...gateway } = read(length);
    assert.match(server, /the model has no output "p"/);
    assert.deepEqual(gateway, { live: 0.8, stored: 'outputs' });
  }
});

function refusalOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    return (error as Error).message;
  }
  return '';
}

const words = fc.constantFrom(
  'NaN',
  '-Infinity',
  'Infinity',
  '1234567890123456789',
  '\x7f?',
  '\x7f',
  '\\',
  '"',
  '[',
  '',
);
const text = fc.array(fc.oneof(words, fc.string({ maxLength: 3 })), { maxLength: 4 }).map((parts) => parts.join(''));
const scalar = fc.oneof(
  fc.constantFrom<Json>(null, true, false, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }).map((whole) => numberOf(whole)),
  text,
);
const { value: anyValue } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.oneof(text, fc.constant('__proto__')), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

function numberOf(whole: bigint): Json {
  return Number.isSafeInteger(Number(whole)) ? Number(whole) : whole;
}

/** A value as a server of the protocol writes it; `escaped` writes every character of strings as an escape. */
function written(value: Json, escaped: boolean): string {
  if (typeof value === 'string') return escaped ? `"${[...unitsOf(value)].join('')}"` : JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: Json) => written(item, escaped)).join(' , ')}]`;
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : String(value);
  const members = Object.entries(value).map(([key, item]) => `${written(key, escaped)}:${written(item, escaped)}`);
  return `{${members.join(',')}}`;
}

function* unitsOf(value: string): Iterable<string> {
  for (let i = 0; i < value.length; i++) yield `\\u${value.charCodeAt(i).toString(16).padStart(4, '0')}`;
}

test('whatever is written is read alike by all', () => {
  fc.assert(
    fc.property(fc.array(anyValue, { maxLength: 4 }), fc.boolean(), (value, escaped) => {
      const json = written(value, escaped);
      const read = Object.fromEntries(Object.entries(readings(json)).map(([reader, found]) => [reader, show(found)]));
      assert.deepEqual(read, {
        server: show(withoutDigits(value, false)),
        'server, exact': show(value),
        policy: show(withoutDigits(value, true)),
        comparison: show(value),
        command: show(value),
      });
    }),
    { numRuns: 2000 },
  );
});

/** As text, because deepEqual minds what a `__proto__` key does to a prototype. */
function show(value: unknown): string {
  return value === REFUSED ? 'refused' : written(value as Json, false);
}

test('what JSON.parse reads is read the same, and what it refuses is refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (json) => {
      const [own, native] = [POLICY, COMPARISON].map((rules) => orRefused(() => readJson(json, rules)));
      assert.deepEqual([own, native], Array(2).fill(orRefused(() => JSON.parse(json))));
    }),
    { numRuns: 1000 },
  );
});

test('a string of megabytes is read, and brackets of megabytes are refused at once', () => {
  assert.equal(
    readJson(`"${'x'.repeat(5_000_000)}1234567890123456"`, EXACT),
    `${'x'.repeat(5_000_000)}1234567890123456`,
  );
  for (const rules of [POLICY, COMPARISON, EXACT])
    assert.throws(() => readJson('['.repeat(1_000_000), rules), BeyondBounds);
});
