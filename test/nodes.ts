// The versions of Node that tests run under, and where those come from that the machine does not have.
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
