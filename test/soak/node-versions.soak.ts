// The whole suite under every Node that package.json allows and the images use; those that the machine lacks come from npm.
// An outcome other than green prints the failing tests and where the whole output is.
import assert from 'node:assert/strict';
import { createWriteStream, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { filesOf } from '../files.ts';
import { runTests, TRIED, withNode } from '../nodes.ts';
import { provision } from '../provision.ts';

const PROGRESS_MS = 60_000;
const outputs = mkdtempSync(join(tmpdir(), 'sluice-node-versions-'));
const summary: string[] = [];

/** Majors to try, if not all: `TEST_NODES=24,26`. */
const wanted = process.env.TEST_NODES?.split(',').map(Number) ?? TRIED;

for (const major of wanted)
  test(`the whole suite passes on Node ${major}`, async () => {
    const files = filesOf('.test.js');
    await provision(files);
    const { code, line, failures, output } = await withNode(major, (node) => run(node, major, files));
    summary.push(line);
    console.log(line);
    assert.equal(code, 0, `${failures.join('\n')}\nall of it: ${output}`);
  });

after(() => console.log(['', 'the whole suite, by Node:', ...summary].join('\n')));

async function run(node: string, major: number, files: readonly string[]) {
  const output = join(outputs, `node-${major}.txt`);
  const file = createWriteStream(output);
  const start = performance.now();
  const seen = { passed: 0, failures: [] as string[], rest: '' };
  const tell = () => {
    const minutes = ((performance.now() - start) / 60_000).toFixed(1);
    return `Node ${major}: ${seen.passed} passed, ${seen.failures.length} failed, ${minutes} min`;
  };
  const timer = setInterval(() => console.log(tell()), PROGRESS_MS);
  const code = await runTests({ node, files, args: [...ARGS] }, (text) => {
    file.write(text);
    count(seen, text);
  });
  clearInterval(timer);
  file.end();
  return { code, line: `${tell()}, exit code ${code}`, failures: seen.failures, output };
}

const ARGS = ['--test-concurrency=2', '--test-timeout=120000', '--test-reporter=spec'];

/** Counts tests of the first level by the lines of the runner's report; the list at its end would count them twice. */
function count(seen: { passed: number; failures: string[]; rest: string }, text: string): void {
  const lines = (seen.rest + text).split('\n');
  seen.rest = lines.pop() ?? '';
  for (const line of lines) {
    if (line.startsWith('✔ ')) seen.passed++;
    if (line.startsWith('✖ ') && line !== '✖ failing tests:' && !seen.failures.includes(line)) {
      seen.failures.push(line);
      console.log(line);
    }
  }
}
