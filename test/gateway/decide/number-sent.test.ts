// Numbers of bodies by the text that they were sent as: every digit counts, and every way to write a value is one value.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unitOf } from '../../../gateway/decide/bucket.ts';
import { decide } from '../../../gateway/decide/decide.ts';
import { exactText } from '../../../gateway/decide/number-sent.ts';
import { View } from '../../../gateway/decide/view.ts';
import { writtenAt } from '../../../gateway/decide/written-at.ts';
import { digits, randomFrom, request, versionIn } from './setup.ts';

/** What a request with this body is sorted by. */
function unitIn(body: string, path = 'user.id', headers: Record<string, string> = {}): string | undefined {
  const unit = { from: 'body', path: path.split('.') } as const;
  return unitOf({ unit, withoutUnit: 'random' }, new View(request(headers, Buffer.from(body))));
}

test('ids of 19 digits are as many units, the same as numbers and as texts', () => {
  const units = new Set<string | undefined>();
  for (let i = 0; i < 100; i++) {
    const id = `1234567890123456${String(i).padStart(3, '0')}`;
    units.add(unitIn(`{"user":{"id":${id}}}`));
    assert.equal(unitIn(`{"user":{"id":${id}}}`), id);
    assert.equal(unitIn(`{"user":{"id":"${id}"}}`), id);
  }
  assert.equal(units.size, 100);
});

test('a caller with an id of 19 digits keeps the version, whether the id is sent as a number or as a text', () => {
  const model = digits('rollout: { id: r, candidate: v2, unit: body user.id, salt: s, steps: [50%] }');
  const versions = { v1: 0, v2: 0 };
  for (let i = 0; i < 100; i++) {
    const id = `1234567890123456${String(i).padStart(3, '0')}`;
    const versionFor = (written: string) =>
      versionIn(decide(model, request({}, Buffer.from(`{"user":{"id":${written}}}`)), 0.5));
    assert.equal(versionFor(id), versionFor(`"${id}"`), id);
    versions[versionFor(id) as 'v1' | 'v2']++;
  }
  assert.ok(versions.v2 > 30 && versions.v2 < 70, JSON.stringify(versions));
});

test('a number is one unit, however it is written; what a double holds is written as it always was', () => {
  for (const [written, unit] of [
    ['1', '1'],
    ['1.0', '1'],
    ['10e-1', '1'],
    ['1e3', '1000'],
    ['-0', '0'],
    ['0.50', '0.5'],
    ['-12.5', '-12.5'],
    ['1e21', '1e+21'],
    ['1e-7', '1e-7'],
    ['0.1', '0.1'],
    ['9007199254740993', '9007199254740993'],
    ['9007199254740993.0', '9007199254740993'],
    ['900719925474099.3e1', '9007199254740993'],
    ['12345678901234567890', '12345678901234567890'],
    ['1.234567890123456789e25', '12345678901234567890000000'],
    ['0.1234567890123456789', '0.1234567890123456789'],
    ['0.00012345678901234567890', '0.0001234567890123456789'],
    ['12345678901234567890.50', '12345678901234567890.5'],
    ['1234567890123456789e99', '1234567890123456789e99'],
  ] as const) {
    assert.equal(exactText(written), unit, written);
    assert.equal(unitIn(`{"user":{"id":${written}}}`), unit, written);
  }
});

test('a text is taken as it is: "1.0" is another unit than 1, and escapes are read', () => {
  assert.equal(unitIn('{"user":{"id":"1.0"}}'), '1.0');
  assert.equal(unitIn('{"user":{"id":"\\u0061\\n"}}'), 'a\n');
});

test('a number that no double can hold is no unit', () => {
  assert.equal(unitIn('{"user":{"id":1e400}}'), undefined);
});

test('the place of a number is found as JSON.parse finds it', () => {
  const long = '1234567890123456789';
  for (const [body, path] of [
    [`{"user":{"id":1},"user":{"id":${long}}}`, 'user.id'],
    [`{"user":{"id":1,"id":${long}}}`, 'user.id'],
    [`{"us\\u0065r":{"i\\u0064":${long}}}`, 'user.id'],
    [`{"a\\"}":1,"b":"}],{\\\\","user":{"x":[{"id":2}],"id":${long}}}`, 'user.id'],
    [`  {\n\t"user" : { "id" :\r\n ${long} } } `, 'user.id'],
    [`{"instances":[{"age":1},{"age":${long}}]}`, 'instances.1.age'],
    [`{"instances":[[1,2],[3,${long}]]}`, 'instances.1.1'],
    [`{"parameters":{"account":${long}},"inputs":[NaN,-Infinity]}`, 'parameters.account'],
    [`{"nan":[NaN,-Infinity,{"a":Infinity}],"id":${long}}`, 'id'],
    [`{"__proto__":{"id":${long}}}`, '__proto__.id'],
    [`{"größe":{"用户":${long}}}`, 'größe.用户'],
    [`[${long}]`, '0'],
  ] as const)
    assert.equal(unitIn(body, path), long, body);
});

test('behind the JSON of a binary request nothing is read', () => {
  const head = '{"user":{"id":1234567890123456789}}';
  const headers = { 'inference-header-content-length': String(head.length) };
  assert.equal(unitIn(`${head}{"user":{"id":2}}`, 'user.id', headers), '1234567890123456789');
});

test('in 2,000 random bodies every scalar is found where JSON.parse has it', () => {
  const random = randomFrom(7);
  const pick = (count: number) => Math.floor(random() * count);
  const KEYS = ['a', 'b', 'id', '0', 'x"y', 'ü', '\\', ''];
  const make = (depth: number): unknown => {
    const kind = pick(depth === 0 ? 4 : 6);
    if (kind === 4) return Array.from({ length: pick(4) }, () => make(depth - 1));
    if (kind === 5) return Object.fromEntries(Array.from({ length: pick(4) }, () => [KEYS[pick(8)], make(depth - 1)]));
    return [pick(1e9), 'te"x[t]{\\', true, null][kind];
  };
  let found = 0;
  const walk = (json: Buffer, value: unknown, path: string[]): void => {
    found++;
    assert.deepEqual(JSON.parse(writtenAt(json, path) ?? '"none"'), value);
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) walk(json, inner, [...path, key]);
  };
  for (let i = 0; i < 2000; i++) {
    const value = [make(5), make(5)];
    walk(Buffer.from(JSON.stringify(value, null, pick(3))), value, []);
  }
  assert.ok(found > 5000, `${found}`);
});

test('the number at the end of a megabyte is found within 100 ms', () => {
  const body = Buffer.from(`{"user":{"x":[${'{"a":[1,2]},'.repeat(80_000)}1],"id":1234567890123456789}}`);
  const start = performance.now();
  assert.equal(writtenAt(body, ['user', 'id']), '1234567890123456789');
  assert.ok(performance.now() - start < 100);
});
