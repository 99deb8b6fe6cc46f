import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Ended, runAll } from './queue.ts';
import { folderOf } from './support/folder.ts';
import { until } from './support/until.ts';

/** Files with these texts in a folder, by their names. */
function written(t: TestContext, texts: Readonly<Record<string, string>>) {
  const folder = folderOf(t, 'queue');
  for (const [name, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const at = (name: string) => join(folder, name);
  return { at, files: Object.keys(texts).map(at) };
}

const IMPORTS = `import { test } from 'node:test'; import assert from 'node:assert'; import fs from 'node:fs';
const here = new URL('.', import.meta.url).pathname;`;
const RUNNING = { node: process.execPath, slots: 3, timed: 2, limitMs: 60_000 };

test('a file that failed runs once more by itself: what passes then is flaky, and what fails again has failed', async (t) => {
  const { at, files } = written(t, {
    'good.test.mjs': `${IMPORTS} test('a', () => {}); test('b', { skip: true }, () => {});`,
    'bad.test.mjs': `${IMPORTS} test('c', () => assert.equal(1, 2));`,
    'flaky.test.mjs': `${IMPORTS} test('d', () => {
      const is2nd = fs.existsSync(here + 'once'); fs.writeFileSync(here + 'once', ''); assert.ok(is2nd); });`,
  });
  const { ended, flaky } = await runAll(files, RUNNING);
  const outcomes = ended.map(({ file, passed, counts: { pass, fail, skipped } }) => [
    file,
    { passed, pass, fail, skipped },
  ]);
  assert.deepEqual(Object.fromEntries(outcomes), {
    [at('good.test.mjs')]: { passed: true, pass: 1, fail: 0, skipped: 1 },
    [at('bad.test.mjs')]: { passed: false, pass: 0, fail: 1, skipped: 0 },
    [at('flaky.test.mjs')]: { passed: true, pass: 1, fail: 0, skipped: 0 },
  });
  assert.deepEqual(
    flaky.map(({ file }) => file),
    [at('flaky.test.mjs')],
  );
});

test('with many failures nothing is run again', async (t) => {
  const texts = Object.fromEntries(
    Array.from({ length: 6 }, (_, i) => [
      `${i}.test.mjs`,
      `${IMPORTS} test('x', () => { fs.appendFileSync(here + 'runs', 'x'); assert.fail('no'); });`,
    ]),
  );
  const { at, files } = written(t, texts);
  const { ended, flaky } = await runAll(files, RUNNING);
  assert.deepEqual([ended.length, flaky.length, readFileSync(at('runs'), 'utf8')], [6, 0, 'xxxxxx']);
});

test('a file that does not end is ended with what it started, and has failed', async (t) => {
  const { at, files } = written(t, {
    'hangs.test.mjs': `${IMPORTS} import { spawn } from 'node:child_process';
      test('h', async () => { fs.writeFileSync(here + 'pid', String(spawn('sleep', ['600']).pid)); await new Promise(() => setInterval(() => {}, 1e6)); });`,
  });
  const { ended } = await runAll(files, { ...RUNNING, limitMs: 1500 });
  assert.deepEqual([ended.length, ended[0]?.passed], [1, false]);
  assert.match(ended[0]?.output ?? '', /did not end within 1\.5 s/);
  await until(() => !existsSync(`/proc/${readFileSync(at('pid'), 'utf8')}/exe`), 'the end of what it started');
});

test('at most two files whose outcome may depend on time run at once, others beside them, and what compares waits alone', async (t) => {
  const slow = `${IMPORTS} test('s', () => new Promise((resolve) => setTimeout(resolve, 300)));`;
  const { at, files } = written(t, {
    'unit-1.test.mjs': slow,
    'stories/a.test.mjs': slow,
    'stories/b.test.mjs': slow,
    'stories/c.test.mjs': slow,
    'unit-2.test.mjs': slow,
    'stories/shadow.test.mjs': slow,
  });
  const order: string[] = [];
  const spans = new Map<string, readonly [number, number]>();
  const onEnd = ({ file, ms }: Ended) => {
    order.push(file);
    spans.set(file, [performance.now() - ms, performance.now()]);
  };
  await runAll(files, { ...RUNNING, onEnd });
  const spansOf = (...names: string[]) => names.map((name) => spans.get(at(`${name}.test.mjs`)) ?? [0, 0]);
  const stories = spansOf('stories/a', 'stories/b', 'stories/c');
  const lastBegun = Math.max(...stories.map(([from]) => from));
  assert.ok(stories.filter(([, to]) => to > lastBegun).length <= 2);
  const units = spansOf('unit-1', 'unit-2');
  assert.ok(units.some(([from, to]) => stories.filter((story) => story[0] < to && from < story[1]).length >= 2));
  const [[alone = 0] = []] = spansOf('stories/shadow');
  assert.ok([...stories, ...units].every(([, to]) => to <= alone));
  assert.equal(order.length, 6);
});
