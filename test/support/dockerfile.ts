// deploy/Dockerfile without Docker: what its stages say, laid out in folders.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { folderOf } from './folder.ts';

export type Stage = {
  readonly name: string;
  readonly from: string;
  readonly copies: readonly {
    readonly from: string | undefined;
    readonly sources: readonly string[];
    readonly to: string;
  }[];
  readonly runs: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  readonly user: string | undefined;
  readonly ports: readonly string[];
  readonly workdir: string;
  readonly healthcheck: readonly string[];
};

/** The stages of deploy/Dockerfile, by name. */
export function stages(): Map<string, Stage> {
  const found = new Map<string, Stage>();
  const lines = readFileSync('deploy/Dockerfile', 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  let stage: { -readonly [K in keyof Stage]: Stage[K] } | undefined;
  for (const line of lines) {
    const [, word = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    const before = stage;
    if (word === 'FROM') {
      const [from = '', , name = ''] = rest.split(' ');
      const base = found.get(from);
      const none = {
        copies: [],
        runs: [],
        env: {},
        entrypoint: [],
        user: undefined,
        ports: [],
        workdir: '/',
        healthcheck: [],
      };
      stage = { ...(base ?? none), name, from };
      found.set(name, stage);
    } else if (before !== undefined) {
      const json = () => JSON.parse(rest.slice(rest.indexOf('['))) as string[];
      if (word === 'COPY') {
        const [, from] = /^--from=(\S+) /.exec(rest) ?? [];
        const words = rest.replace(/^--from=\S+ /, '').split(' ');
        before.copies = [...before.copies, { from, sources: words.slice(0, -1), to: words.at(-1) ?? '' }];
      } else if (word === 'RUN') before.runs = [...before.runs, rest];
      else if (word === 'ENV')
        before.env = {
          ...before.env,
          ...Object.fromEntries(rest.split(' ').map((pair) => pair.split('=') as [string, string])),
        };
      else if (word === 'ENTRYPOINT') before.entrypoint = json();
      else if (word === 'HEALTHCHECK') before.healthcheck = json();
      else if (word === 'USER') before.user = rest;
      else if (word === 'WORKDIR') before.workdir = rest;
      else if (word === 'EXPOSE') before.ports = rest.split(' ');
      else assert.ok(['VOLUME', 'STOPSIGNAL', 'ARG'].includes(word), line);
    }
  }
  return found;
}

/** The folder /app of the stage `build`: what was compiled, and the packages that run without the development's. */
export function buildFolder(t: TestContext): string {
  const folder = folderOf(t, 'image');
  chmodSync(folder, 0o755);
  cpSync('package.json', join(folder, 'package.json'));
  for (const part of ['gateway', 'model-server']) copyAll(`dist/${part}`, join(folder, 'dist', part));
  rmSync(join(folder, 'dist/model-server/training'), { recursive: true });
  const packages = productionPackages();
  for (const name of packages.filter((name) => name !== RUNTIME)) copyAll(name, join(folder, name));
  const isOfOtherPlatform = (path: string) => /\/(darwin|win32)(\/|$)/.test(path);
  cpSync(RUNTIME, join(folder, RUNTIME), { recursive: true, filter: (source) => !isOfOtherPlatform(source) });
  copyAll(join(folder, 'node_modules'), join(folder, 'gateway-modules'), AS_LINKS);
  for (const name of ['onnxruntime-node', 'onnxruntime-common'])
    rmSync(join(folder, 'gateway-modules', name), { recursive: true });
  return folder;
}

/** The package with libraries for every platform, 200 MB of them. */
const RUNTIME = 'node_modules/onnxruntime-node';
/** Within one file system, for what nothing is written to. */
const AS_LINKS = '--link';

/** Copies a file, or a folder with all that is in it. cpSync takes several times as long. */
function copyAll(from: string, to: string, ...options: readonly string[]): void {
  mkdirSync(dirname(to), { recursive: true });
  execFileSync('cp', ['--recursive', '--no-target-directory', ...options, from, to]);
}

/** The folders of the packages that `npm prune --omit=dev` leaves, by the lock file: those of other platforms are not installed. */
function productionPackages(): string[] {
  type Locked = { readonly dev?: boolean; readonly devOptional?: boolean };
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> };
  return Object.entries(packages).flatMap(([folder, { dev, devOptional }]) =>
    folder === '' || dev === true || devOptional === true || !existsSync(folder) ? [] : [folder],
  );
}

/** What a stage has in /app. */
export function layOut(t: TestContext, stage: Stage, build: string): string {
  const root = folderOf(t, 'root');
  chmodSync(root, 0o755);
  for (const { from, sources, to } of stage.copies)
    for (const source of sources) {
      const path = from === undefined ? source : join(build, source.replace(/^\/app\//, ''));
      const target = to.startsWith('/')
        ? join(root, to)
        : join(root, 'app', to, to.endsWith('/') ? (source.split('/').at(-1) ?? '') : '');
      copyAll(path, target, ...(from === undefined ? [] : [AS_LINKS]));
    }
  return root;
}
