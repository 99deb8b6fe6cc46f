// The versions of Node that tests run under, and where those come from that the machine does not have.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';

/** Majors that `npm run soak -- node-versions` runs the whole suite under: what package.json says, and the image's. */
export const TRIED: readonly number[] = [20, 22, 24, 26];

/** The major of the Node that runs this. */
export const OWN: number = majorOf(process.versions.node);

/** The major of the Node that the images are made from, as the Dockerfile has it. */
export function imageNode(): number {
  const [, version = ''] = /^ARG NODE=node:([\d.]+)/m.exec(readFileSync('deploy/Dockerfile', 'utf8')) ?? [];
  return majorOf(version);
}

/**
 * Calls `use` with the path of a Node of this major: this one, or one that npm installs into a folder that is removed
 * afterwards. Rejects with npm's reason when it cannot be had.
 */
export async function withNode<T>(major: number, use: (node: string) => Promise<T>): Promise<T> {
  if (major === OWN) return use(process.execPath);
  const folder = mkdtempSync(join(tmpdir(), `sluice-node-${major}-`));
  chmodSync(folder, 0o755); // tests run it as other users too
  try {
    return await use(await install(major, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What tests are run with. */
export type TestRun = { readonly node: string; readonly files: readonly string[]; readonly args?: readonly string[] };

/** Story tests start several processes each; more than two files at once would measure the machine, not the code. */
const LIMITS = ['--test-concurrency=2', '--test-timeout=120000'];

/** Runs test files under a Node; every `node` that they start by its name is that one too. Answers the exit code. */
export function runTests({ node, files, args = LIMITS }: TestRun, onOutput?: (text: string) => void): Promise<number> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env; // set inside a test, and then no other would run
  const PATH = [dirname(node), env.PATH ?? ''].join(delimiter);
  const runner = spawn(node, ['--enable-source-maps', '--test', ...args, ...files], {
    stdio: onOutput === undefined ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    env: { ...env, PATH, ORT_DISABLE_TELEMETRY: '1' },
  });
  for (const stream of [runner.stdout, runner.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => onOutput?.(text));
  return new Promise((resolve) => runner.on('close', (code) => resolve(code ?? 1)));
}

async function install(major: number, folder: string): Promise<string> {
  const name = `node-${process.platform}-${process.arch}`;
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', `${name}@${major}`];
  const npm = spawn('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  let told = '';
  npm.stderr.setEncoding('utf8').on('data', (text) => (told += text));
  const code = await new Promise((resolve) => npm.on('error', resolve).on('close', resolve));
  const node = join(folder, 'node_modules', name, 'bin/node');
  if (code !== 0 || !existsSync(node)) throw new Error(`npm install ${name}@${major} failed: ${told.trim() || code}`);
  return node;
}

function majorOf(version: string): number {
  return Number(version.split('.')[0]);
}
