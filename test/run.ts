// The one test command: finds every compiled *.test.js and runs them (queue.ts), first under this Node, then, of the files
// whose outcome a runtime can change, under the Node of the images (files.ts says which those are).
// `npm test -- canary` runs only the files whose path contains "canary", under this Node alone; `npm run soak` runs the
// *.soak.js, which take minutes each, one after another.
import { filesOf, isOfTheRuntime } from './files.ts';
import { imageNode, OWN, withNode } from './nodes.ts';
import { provision } from './provision.ts';
import { type Ended, endWithThisProcess, type Running, runAll, sumOf, TESTS } from './queue.ts';

const isSoak = process.argv[2] === '--soak';
const wanted = process.argv.slice(isSoak ? 3 : 2);
const files = filesOf(isSoak ? '.soak.js' : '.test.js', wanted);

const SOAK = { slots: 1, timed: 1, limitMs: 7_200_000 };

if (files.length === 0) {
  console.error(`no test file ${wanted.length > 0 ? `matches ${wanted.join(' ')}` : 'was built: run npm run build'}`);
  process.exit(1);
}

endWithThisProcess();
await provision(files);
const here = await run(process.execPath, files);
const there = isSoak || wanted.length > 0 ? true : await runUnderImageNode();
process.exitCode = here && there ? 0 : 1;

/** Runs files, prints what they say and a summary, and resolves with whether all passed. */
async function run(node: string, some: readonly string[]): Promise<boolean> {
  const start = performance.now();
  const isLive = isSoak || some.length === 1;
  const how: Running = {
    node,
    ...(isSoak ? SOAK : TESTS),
    onAgain: (failed) => console.log(`\nonce more, one at a time: ${namesOf(failed)}`),
    ...(isLive
      ? { onOutput: (text: Buffer) => void process.stdout.write(text) }
      : { onEnd: ({ file, ms, output }: Ended) => console.log(`\n${file} (${seconds(ms)})\n${output.trimEnd()}`) }),
  };
  const { ended, flaky } = await runAll(some, how);
  const { tests, pass, fail, skipped } = sumOf(ended);
  const failed = ended.filter(({ passed }) => !passed);
  console.log(
    `\n${tests} tests in ${ended.length} files: ${pass} passed, ${fail} failed, ${skipped} skipped, ${seconds(performance.now() - start)}`,
  );
  console.log(`flaky (failed beside others, passed alone): ${namesOf(flaky)}`);
  console.log(`failed: ${namesOf(failed)}`);
  return failed.length === 0;
}

function namesOf(ended: readonly Ended[]): string {
  return ended.map(({ file }) => file).join(' ') || 'none';
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

async function runUnderImageNode(): Promise<boolean> {
  const major = imageNode();
  if (major === OWN) return true;
  const some = files.filter(isOfTheRuntime);
  console.log(`\nunder Node ${major}, which the images have: ${some.length} of the ${files.length} files`);
  try {
    return await withNode(major, (node) => run(node, some));
  } catch (error) {
    console.error(`the tests did not run under Node ${major}, which the images have: ${(error as Error).message}`);
    return process.env.CI === undefined;
  }
}
