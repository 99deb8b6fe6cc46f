import { createHash } from 'node:crypto';
import { createReadStream, type Stats } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { RepositoryError } from './errors.ts';
import { MODEL_NAME, VERSION_NAME } from './protocol.ts';

/** A version the repository holds: `folder` is `{root}/{model}/{version}`. */
export type VersionFolder = { readonly model: string; readonly version: string; readonly folder: string };

/** What a scan found, and what it passed over with the reason. */
export type Scan = { readonly versions: readonly VersionFolder[]; readonly ignored: readonly string[] };

/** A model file as it lay on disk: `stamp` changes when the file does. */
export type ModelFile = {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly stamp: string;
};

const MAX_VERSIONS = 100;

/** Finds the versions below `root`, ascending; rejects with a RepositoryError when there are none. */
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
  if (versions.length === 0) {
    throw new RepositoryError(`the model repository ${root} holds no {model}/{version}/model.onnx`);
  }
  return { versions, ignored };
}

/** Checks that a version's files stay inside `root` and reads the digest of its model file. */
export async function inspectVersion(root: string, { folder }: VersionFolder): Promise<ModelFile> {
  const home = await realpath(root);
  // The runtime opens external data by name: a pipe would block it for ever.
  for (const entry of await readdir(folder, { recursive: true })) {
    await checkEntry(home, join(folder, entry), entry);
  }
  const path = await realpath(join(folder, 'model.onnx')).catch(() => undefined);
  if (path === undefined) {
    throw new Error('there is no model.onnx in its folder');
  }
  const status = await stat(path);
  if (!status.isFile()) {
    throw new Error('model.onnx is not a file');
  }
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return { path, sha256: hash.digest('hex'), bytes: status.size, stamp: stampOf(status) };
}

/** Says whether a model file is still the one that was inspected. */
export async function isUnchanged(file: ModelFile): Promise<boolean> {
  const status = await stat(file.path).catch(() => undefined);
  return status !== undefined && stampOf(status) === file.stamp;
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
  const odd = names.filter((name) => !VERSION_NAME.test(name));
  ignored.push(...odd.map((name) => `${model}/${name}: not a version (digits without a leading zero)`));
  const versions = names.filter((name) => VERSION_NAME.test(name)).sort((a, b) => Number(a) - Number(b));
  const older = versions.slice(0, -MAX_VERSIONS);
  ignored.push(...older.map((name) => `${model}/${name}: only the ${MAX_VERSIONS} highest versions are served`));
  return versions.slice(-MAX_VERSIONS).map((version) => ({ model, version, folder: join(home, model, version) }));
}

async function checkEntry(home: string, path: string, name: string): Promise<void> {
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined || !isInside(home, real)) {
    throw new Error(`${name} leads outside the repository or nowhere`);
  }
  const status = await stat(real);
  if (!status.isFile() && !status.isDirectory()) {
    throw new Error(`${name} is neither a file nor a folder`);
  }
}

function isInside(home: string, real: string): boolean {
  return real.startsWith(home.endsWith(sep) ? home : home + sep);
}

function stampOf({ ino, size, mtimeMs }: Stats): string {
  return `${ino}:${size}:${mtimeMs}`;
}
