// The one test command: finds every compiled *.test.js and hands the list to node's own runner, first under this Node, then,
// of the files whose outcome a runtime can change, under the Node of the images (test/files.ts says which those are).
// `npm test -- canary` runs only the files whose path contains "canary", under this Node alone; `npm run soak` runs the
// *.soak.js, which take minutes each, one after another.
import { filesOf, isOfTheRuntime } from './files.ts';
import { imageNode, OWN, runTests, withNode } from './nodes.ts';
import { provision } from './provision.ts';

const isSoak = process.argv[2] === '--soak';
const wanted = process.argv.slice(isSoak ? 3 : 2);
const files = filesOf(isSoak ? '.soak.js' : '.test.js', wanted);

// With an empty list node would look for tests by itself, find others and could pass.
if (files.length === 0) {
  console.error(`no test file ${wanted.length > 0 ? `matches ${wanted.join(' ')}` : 'was built: run npm run build'}`);
  process.exit(1);
}

await provision(files);
const soak = isSoak ? { args: ['--test-concurrency=1', '--test-timeout=7200000'] } : {};
const here = await runTests({ node: process.execPath, files, ...soak });
const there = isSoak || wanted.length > 0 ? 0 : await runUnderImageNode();
process.exitCode = here || there;

async function runUnderImageNode(): Promise<number> {
  const major = imageNode();
  if (major === OWN) return 0;
  const some = files.filter(isOfTheRuntime);
  console.log(`\nunder Node ${major}, which the images have: ${some.length} of the ${files.length} files`);
  try {
    return await withNode(major, (node) => runTests({ node, files: some }));
  } catch (error) {
    console.error(`the tests did not run under Node ${major}, which the images have: ${(error as Error).message}`);
    return process.env.CI === undefined ? 0 : 1;
  }
}
