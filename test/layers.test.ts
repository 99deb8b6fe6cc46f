// The sources keep to the import table of `layers.ts`, and each of its rules refuses a source that breaks it.
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { test } from 'node:test';
import {
  IMPURE,
  LONGER_FILES,
  LONGER_FUNCTIONS,
  MOST_FILES,
  MOST_LINES,
  MOST_OF_A_FUNCTION,
  PURE_GLOBALS,
  PURE_IMPORTS,
  TABLE,
} from './layers.ts';
import {
  circlesIn,
  codeOf,
  functionsIn,
  type Import,
  importsOf,
  namesUsed,
  type Source,
  sourcesIn,
} from './support/sources.ts';

const SOURCES = sourcesIn('gateway', 'model-server');
const ROOTS = ['gateway', 'model-server'];

test('every folder has a row in the import table, and every row has files', () => {
  assert.deepEqual(withoutRow(SOURCES), []);
  const rows = new Set(SOURCES.map(({ path }) => rowOf(path)));
  assert.deepEqual(
    Object.keys(TABLE).filter((row) => !rows.has(row)),
    [],
  );
});

test('every import is allowed by the table', () => {
  assert.deepEqual(SOURCES.flatMap(refusedIn), []);
});

test('nothing imports itself in a circle, types included', () => {
  assert.deepEqual(circlesOf(SOURCES), []);
});

test('the pure rooms use no clock, no randomness, no environment and no state of a module', () => {
  assert.ok(SOURCES.filter(isPure).length > 50);
  assert.deepEqual(SOURCES.flatMap(impureIn), []);
});

test('no folder, file or function outgrows its bound, and no exception outlives its need', () => {
  assert.deepEqual(outgrown(SOURCES), []);
  const long = SOURCES.filter(({ text }) => linesOf(text) > MOST_LINES).map(({ path }) => path);
  assert.deepEqual(Object.keys(LONGER_FILES).sort(), long.sort());
});

test('each rule refuses what breaks it', () => {
  const refuses = (path: string, text: string) => assert.equal(refusedIn({ path, text }).length, 1, `${path}: ${text}`);
  const value = (target: string) => `import { some } from '${target}';\n`;
  refuses('gateway/decide/decide.ts', value('../forward/send.ts'));
  refuses('gateway/decide/decide.ts', value('../policy/load/load.ts'));
  refuses('gateway/decide/decide.ts', value('node:fs'));
  refuses('gateway/decide/decide.ts', `export * from '../forward/send.ts';\n`);
  refuses('gateway/observe/metrics.ts', value('../decide/decide.ts'));
  refuses('gateway/observe/metrics.ts', value('../store/store.ts'));
  refuses('gateway/conduct/per-request.ts', value('../forward/send.ts'));
  for (const name of ['fastify', 'undici', 'node:http']) refuses('gateway/conduct/per-request.ts', value(name));
  refuses('gateway/store/store.ts', value('../compare/comparer.ts'));
  refuses('gateway/statistics/sums.ts', value('../compare/batch.ts'));
  refuses('gateway/cli/run/demo.ts', value('onnxruntime-node'));
  refuses('gateway/cli/run/demo.ts', value('../../../model-server/training/onnx.ts'));
  refuses('gateway/forward/send.ts', "const load = () => import('../store/store.ts');\n");
  refuses('gateway/compare/process.ts', "const child = fork(new URL('../store/store.js', import.meta.url));\n");
  refuses('model-server/http/app.ts', value('../../gateway/errors.ts'));
  refuses('model-server/http/app.ts', value('undici'));
  refuses('model-server/predict.ts', value('./http/answer.ts'));
  refuses('model-server/run/runner.ts', value('../repository/loader.ts'));
  const types =
    "import type { Policy } from '../policy/policy.ts';\nimport { type Model } from '../policy/policy.ts';\n";
  assert.deepEqual(refusedIn({ path: 'gateway/decide/decide.ts', text: types }), []);

  assert.deepEqual(withoutRow([{ path: 'gateway/new/file.ts', text: '' }]), ['gateway/new/']);
  assert.deepEqual(withoutRow([{ path: 'gateway/decide/new/file.ts', text: '' }]), ['gateway/decide/new/']);
  assert.deepEqual(withoutRow([{ path: 'gateway/new.ts', text: '' }]), ['gateway/new.ts']);

  const a = { path: 'gateway/tune/a.ts', text: "import type { B } from './b.ts';\n" };
  assert.equal(circlesOf([a, { path: 'gateway/tune/b.ts', text: "import { a } from './a.ts';\n" }]).length, 1);
});

test('each way of not being pure is seen, and each bound is kept', () => {
  const isSeen = (text: string) =>
    assert.equal(impureIn({ path: 'gateway/judge/verdict/verdict.ts', text }).length, 1, text);
  isSeen("import { randomUUID } from 'node:crypto';\nexport const id = randomUUID();\n");
  isSeen('export const now = () => new Date();\n');
  isSeen('export const at = (ms: number) => new Date(ms).toISOString();\n');
  isSeen('export const now = () => Date.now();\n');
  isSeen('export const drawn = () => Math.random();\n');
  isSeen('let calls = 0;\n');
  for (const call of [
    'setImmediate(run)',
    'setTimeout(run, 1)',
    'performance.now()',
    'fetch(url)',
    'crypto.randomUUID()',
  ])
    isSeen(`export const now = () => ${call};\n`);
  isSeen('export const home = process.env.HOME;\n');
  isSeen('export const say = () => console.log(1);\n');
  const pure = "// not Date.now()\nexport const text = 'setTimeout';\nexport const at = Date.parse(`process`);\n";
  assert.deepEqual(impureIn({ path: 'gateway/judge/verdict/verdict.ts', text: pure }), []);

  const body = (lines: number) => `export function long(\n  a: number,\n): void {\n${'  a++;\n'.repeat(lines)}}\n`;
  assert.deepEqual(outgrown([{ path: 'gateway/tune/a.ts', text: body(46) }]), []);
  assert.equal(outgrown([{ path: 'gateway/tune/a.ts', text: body(47) }]).length, 1);
  assert.equal(outgrown([{ path: 'gateway/tune/a.ts', text: '\n'.repeat(251) }]).length, 1);
  const many = Array.from({ length: 31 }, (_, i) => ({ path: `gateway/tune/${i}.ts`, text: '' }));
  assert.equal(outgrown(many).length, 1);
});

function rowOf(path: string): string | undefined {
  const fitting = Object.keys(TABLE).filter((row) => path === row || (row.endsWith('/') && path.startsWith(row)));
  return fitting.sort((a, b) => b.length - a.length)[0];
}

/** Folders without a row of their own, and files beside them that have none. */
function withoutRow(sources: readonly Source[]): string[] {
  const places = sources.map(({ path }) => (ROOTS.includes(dirname(path)) ? path : `${dirname(path)}/`));
  return [...new Set(places)].filter((place) => !(place in TABLE));
}

function refusedIn(source: Source): string[] {
  return importsOf(source)
    .filter((found) => !isAllowed(found))
    .map(({ from, target }) => `${from} -> ${target}`);
}

function isAllowed({ from, target, typeOnly }: Import): boolean {
  const row = rowOf(from);
  const rule = row === undefined ? undefined : TABLE[row];
  if (row === undefined || rule === undefined) return false;
  if (!ROOTS.some((root) => target.startsWith(`${root}/`)))
    return rule.packages.includes(target) || (target.endsWith('package.json') && /(version|settings)\.ts$/.test(from));
  if (row.endsWith('/') && target.startsWith(row)) return true; // its own room
  return rule.ours.some((each) => {
    const path = each.replace(/^type:/, '');
    return (typeOnly || path === each) && (target === path || (path.endsWith('/') && target.startsWith(path)));
  });
}

/** A thread or a process is a program of its own, and may share types with what starts it. */
function circlesOf(sources: readonly Source[]): string[] {
  const programs = /\bnew URL\(\s*'\.[^']+'\s*,\s*import\.meta\.url/g;
  const imports = sources.map(({ path, text }) => ({ path, text: text.replace(programs, '') })).flatMap(importsOf);
  return circlesIn(imports).map((circle) => circle.join(' -> '));
}

function isPure({ path }: Source): boolean {
  return TABLE[rowOf(path) ?? '']?.isPure === true;
}

const GLOBALS = new Set(Object.getOwnPropertyNames(globalThis));

function impureIn(source: Source): string[] {
  if (!isPure(source)) return [];
  const taken = importsOf(source).flatMap(({ target, typeOnly, names }) => {
    const allowed = PURE_IMPORTS[target];
    return typeOnly || allowed === undefined ? [] : names.filter((name) => !allowed.includes(name));
  });
  const own = new Set(taken);
  const used = [...namesUsed(source.text)].filter(
    (name) => GLOBALS.has(name) && !PURE_GLOBALS.has(name) && !own.has(name),
  );
  const done = IMPURE.exec(codeOf(source.text))?.[0];
  return [...taken, ...used, ...(done === undefined ? [] : [done])].map((name) => `${source.path}: ${name.trim()}`);
}

function outgrown(sources: readonly Source[]): string[] {
  const inFolder = filesByFolder(sources);
  const folders = [...inFolder]
    .filter(([, files]) => files > MOST_FILES)
    .map(([folder, files]) => `${folder}: ${files} files`);
  const files = sources.map(({ path, text }) => ({ path, lines: linesOf(text) }));
  const functions = sources.flatMap(({ path, text }) =>
    functionsIn(text).map(({ name, lines }) => ({ path: `${path}: ${name}`, lines })),
  );
  return [
    ...folders,
    ...beyond(files, MOST_LINES, LONGER_FILES),
    ...beyond(functions, MOST_OF_A_FUNCTION, LONGER_FUNCTIONS),
  ];
}

function beyond(
  all: readonly { readonly path: string; readonly lines: number }[],
  most: number,
  longer: Readonly<Record<string, number>>,
): string[] {
  return all
    .filter(({ path, lines }) => lines > (longer[path] ?? most))
    .map(({ path, lines }) => `${path}: ${lines} lines`);
}

function linesOf(text: string): number {
  return text.split('\n').length - 1;
}

function filesByFolder(sources: readonly Source[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { path } of sources) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  return counts;
}
