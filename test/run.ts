// The one test command: finds every compiled *.test.js and hands the list to node's own runner.
// `npm test -- canary` runs only the files whose path contains "canary"; `npm run soak` runs the *.soak.js, which take
// minutes each, one after another.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { provision } from './provision.ts';

const here = dirname(fileURLToPath(import.meta.url));
const isSoak = process.argv[2] === '--soak';
const wanted = process.argv.slice(isSoak ? 3 : 2);
const files = readdirSync(here, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith(isSoak ? '.soak.js' : '.test.js'))
  // The build never empties dist/, for a running `npm start` lives in it: a test whose source is gone is gone.
  .filter((file) => existsSync(join('test', file.replace(/\.js$/, '.ts'))))
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort()
  .map((file) => relative(process.cwd(), join(here, file)));

// With an empty list node would look for tests by itself, find others and could pass.
if (files.length === 0) {
  console.error(`no test file ${wanted.length > 0 ? `matches ${wanted.join(' ')}` : 'was built: run npm run build'}`);
  process.exit(1);
}

await provision(files);

// Story tests start several processes each; more than two files at once would measure the machine, not the code.
const limits = isSoak
  ? ['--test-concurrency=1', '--test-timeout=1800000']
  : ['--test-concurrency=2', '--test-timeout=120000'];
const runner = spawn(process.execPath, ['--enable-source-maps', '--test', ...limits, ...files], {
  stdio: 'inherit',
  env: { ...process.env, ORT_DISABLE_TELEMETRY: '1' },
});
runner.on('exit', (code) => process.exit(code ?? 1));
