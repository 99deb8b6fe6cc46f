import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { RepositoryError } from '../errors.ts';
import { MODEL_NAME, VERSION_NAME } from '../protocol/names.ts';

/** A version the repository holds: `folder` is `{root}/{model}/{version}`. */
export type VersionFolder = { readonly model: string; readonly version: string; readonly folder: string };

/** What a scan found, and what it passed over with the reason. */
export type Scan = { readonly versions: readonly VersionFolder[]; readonly ignored: readonly string[] };

/** A version's files as they lay on disk: `digests` has the SHA-256 of each, by its path in the folder. */
export type ModelFiles = {
  /** Where model.onnx is. */
  readonly path: string;
  readonly digests: ReadonlyMap<string, string>;
  /** The size of model.onnx and all that lies beside it. */
  readonly bytes: number;
  readonly stamp: string;
};

const MODEL = 'model.onnx';
const SETTINGS = 'model.yaml';
const MAX_VERSIONS = 100;

/** Finds the versions below `root`, ascending; rejects with a RepositoryError when it is no folder. */
export async function scanRepository(root: string): Promise<Scan> {
  const home = await realpath(root).catch(() => undefined);
  if (home === undefined || !(await stat(home)).isDirectory()) {
    throw new RepositoryError(`the model repository ${root} is not a folder that can be read`);
  }
  const ignored: string[] = [];
  const versions: VersionFolder[] = [];
  for (const model of (await readdir(home)).sort()) {
    const problem = await modelProblem(home, model);
    if (problem === undefined) {
      versions.push(...(await scanModel(home, model, ignored)));
    } else {
      ignored.push(`${model}: ${problem}`);
    }
  }
  return { versions, ignored };
}

/** Checks that a version's files stay inside `root` and reads their digests. */
export async function inspectVersion(root: string, { folder }: VersionFolder): Promise<ModelFiles> {
  const home = await realpath(root);
  const path = await realpath(join(folder, MODEL)).catch(() => undefined);
  const files = await listFiles(home, folder);
  if (path === undefined || !files.has(MODEL)) {
    throw new Error('there is no file model.onnx in its folder');
  }
  const digests = new Map<string, string>();
  let bytes = 0;
  for (const [name, status] of files) {
    if (!name.endsWith('.yaml')) {
      digests.set(name, await digestOf(join(folder, name)));
      bytes += status.size;
    }
  }
  return { path, digests, bytes, stamp: await stampOf(files, folder) };
}

/** Answers what changes whenever a file of a version or the settings of its model do; rejects like `inspectVersion`. */
export async function stampVersion(root: string, { folder }: VersionFolder): Promise<string> {
  return stampOf(await listFiles(await realpath(root), folder), folder);
}

/** The files of a version by their path in its folder. The runtime opens them by name: a pipe would block it for ever. */
async function listFiles(home: string, folder: string): Promise<ReadonlyMap<string, Stats>> {
  const files = new Map<string, Stats>();
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const status = await checkEntry(home, join(folder, name), name);
    if (status.isFile()) {
      files.set(name, status);
    }
  }
  return files;
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** The folder that holds a model's versions and its shared settings. */
export function modelFolderOf({ folder }: VersionFolder): string {
  return dirname(folder);
}

async function modelProblem(home: string, model: string): Promise<string | undefined> {
  if (!MODEL_NAME.test(model)) {
    return 'not a model name (lower case letters, digits, ".", "_" and "-", at most 64)';
  }
  const real = await realpath(join(home, model)).catch(() => undefined);
  if (real === undefined || !isInside(home, real)) {
    return 'leads outside the repository';
  }
  return (await stat(real)).isDirectory() ? undefined : 'not a folder';
}

async function scanModel(home: string, model: string, ignored: string[]): Promise<readonly VersionFolder[]> {
  const names = await readdir(join(home, model));
  const odd = names.filter((name) => !VERSION_NAME.test(name) && name !== SETTINGS);
  ignored.push(...odd.map((name) => `${model}/${name}: not a version (digits without a leading zero)`));
  const versions = names.filter((name) => VERSION_NAME.test(name)).sort((a, b) => Number(a) - Number(b));
  const older = versions.slice(0, -MAX_VERSIONS);
  ignored.push(...older.map((name) => `${model}/${name}: only the ${MAX_VERSIONS} highest versions are served`));
  return versions.slice(-MAX_VERSIONS).map((version) => ({ model, version, folder: join(home, model, version) }));
}

async function checkEntry(home: string, path: string, name: string): Promise<Stats> {
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined || !isInside(home, real)) {
    throw new Error(`${name} leads outside the repository or nowhere`);
  }
  const status = await stat(real);
  if (!status.isFile() && !status.isDirectory()) {
    throw new Error(`${name} is neither a file nor a folder`);
  }
  if (status.isFile() && status.nlink > 1) {
    // Its other name may be anywhere, out of sight of the check above.
    throw new Error(`${name} has a second name (a hard link): put a copy in its place`);
  }
  return status;
}

function isInside(home: string, real: string): boolean {
  return real.startsWith(home.endsWith(sep) ? home : home + sep);
}

async function stampOf(files: ReadonlyMap<string, Stats>, folder: string): Promise<string> {
  const shared = await stat(join(dirname(folder), SETTINGS)).catch(() => undefined);
  const all = [...files, ...(shared === undefined ? [] : [[`../${SETTINGS}`, shared] as const])];
  return all.map(([name, { ino, size, mtimeMs }]) => `${name}:${ino}:${size}:${mtimeMs}`).join('\n');
}
