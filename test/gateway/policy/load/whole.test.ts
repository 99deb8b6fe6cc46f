import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePolicy } from '../../../../gateway/policy/load/load.ts';
import { hasEndMark, Writing } from '../../../../gateway/policy/load/whole.ts';

test('the end mark is the last line but blank ones and comments', () => {
  for (const text of ['end: true', 'a: 1\nend: true\n', 'a: 1\r\nend: true\r\n', 'end:  true # done\n\n# more\n'])
    assert.equal(hasEndMark(text), true, JSON.stringify(text));
  for (const text of ['', 'end: false', 'end: true\na: 1', ' end: true', '# end: true', 'bend: true', 'end: truer'])
    assert.equal(hasEndMark(text), false, JSON.stringify(text));
});

test('the end mark is found in time, however many blank lines and comments follow, and whatever follows them', () => {
  const start = performance.now();
  for (const filler of ['\n', '\r\n', ' \n', '#\n', '# more\n\n']) {
    assert.equal(hasEndMark(`end: true\n${filler.repeat(100_000)}`), true);
    assert.equal(hasEndMark(`end: true\n${filler.repeat(100_000)}a: 1\n`), false);
  }
  assert.ok(performance.now() - start < 5000); // 18 blank lines once took 24 s
});

test('an end mark that is not at the end, or not true, is a mistake', () => {
  const policy = `apiVersion: sluice/v1
fleet: { a: { url: "http://127.0.0.1:9101" } }
models: { m: { timeout: 1s, versions: { v1: { servers: [a] } }, baseline: v1 } }
`;
  assert.ok(parsePolicy(`${policy}end: true\n`, 'p'));
  assert.throws(() => parsePolicy(`end: true\n${policy}`, 'p'), /p:1:1 end: end: true belongs at the end of the file/);
  assert.throws(() => parsePolicy(`${policy}end: false\n`, 'p'), /p:4:6 end: expected true, or no such key/);
});

test('what is written in place waits longer the more of it has changed; what came by renaming does not wait', () => {
  const shape = (id: string, size: number) => ({ id, size });
  const waitAfter = (...shapes: ({ id: string; size: number } | undefined)[]) => {
    const writing = new Writing(shape('a', 1000));
    for (const each of shapes) writing.changed(each);
    return writing.waitMs;
  };
  assert.equal(waitAfter(shape('b', 400)), 0, 'renamed');
  assert.equal(waitAfter(shape('b', 400), shape('c', 500)), 0, 'renamed twice');
  assert.equal(waitAfter(shape('a', 1000)), 1000, 'the same size');
  assert.equal(waitAfter(shape('a', 500)), 3000, 'half of it');
  assert.equal(waitAfter(shape('a', 2000)), 3000, 'twice as much');
  assert.equal(waitAfter(shape('a', 10)), 4960);
  assert.ok(waitAfter(shape('b', 400), shape('b', 700)) > 1000, 'a new file that grows');
  assert.ok(waitAfter(undefined, shape('b', 900)) > 1000, 'it was missing');
  assert.ok(waitAfter(shape('b', 0), shape('b', 900)) > 1000, 'it was empty');
});
