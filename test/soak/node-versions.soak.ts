// The whole suite under every Node that package.json allows and the images use; those that the machine lacks come from npm.
// An outcome other than green prints the failing tests and where the whole output is.
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { filesOf } from '../files.ts';
import { TRIED, withNode } from '../nodes.ts';
import { provision } from '../provision.ts';
import { type Ended, endWithThisProcess, runAll, sumOf, TESTS } from '../queue.ts';

endWithThisProcess();
const PROGRESS_MS = 60_000;
const outputs = mkdtempSync(join(tmpdir(), 'sluice-node-versions-'));
const summary: string[] = [];

/** Majors to try, if not all: `TEST_NODES=24,26`. */
const wanted = process.env.TEST_NODES?.split(',').map(Number) ?? TRIED;

for (const major of wanted)
  test(`the whole suite passes on Node ${major}`, async () => {
    const files = filesOf('.test.js');
    await provision(files);
    const { line, failures, output } = await withNode(major, (node) => run(node, major, files));
    summary.push(line);
    console.log(line);
    assert.deepEqual(
      failures.map(({ file }) => file),
      [],
      `all of it: ${output}`,
    );
  });

after(() => console.log(['', 'the whole suite, by Node:', ...summary].join('\n')));

async function run(node: string, major: number, files: readonly string[]) {
  const output = join(outputs, `node-${major}.txt`);
  const start = performance.now();
  const all: Ended[] = [];
  const line = () => {
    const minutes = ((performance.now() - start) / 60_000).toFixed(1);
    const { pass, fail, skipped } = sumOf(all);
    return `Node ${major}: ${pass} passed, ${fail} failed, ${skipped} skipped, ${minutes} min`;
  };
  const timer = setInterval(() => console.log(line()), PROGRESS_MS);
  const onEnd = (one: Ended) => {
    all.push(one);
    appendFileSync(output, `\n${one.file}\n${one.output}`);
    if (!one.passed) console.log(`${one.file}\n${one.output}`);
  };
  const { ended, flaky } = await runAll(files, { node, ...TESTS, onEnd });
  clearInterval(timer);
  const namesOf = (some: readonly Ended[]) => some.map(({ file }) => file).join(' ') || 'none';
  const failures = ended.filter(({ passed }) => !passed);
  return { line: `${line()}, flaky: ${namesOf(flaky)}, failed: ${namesOf(failures)}`, failures, output };
}
