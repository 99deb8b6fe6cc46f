// The import table is the architecture (README, "How it is built"): who may import whom, checked on the sources.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';

const ROOT = process.cwd();

type Rule = {
  /** Paths this part may import, besides its own folder; `type:` allows types only. */
  readonly ours: readonly string[];
  /** Packages and node modules it may import; undefined allows any but those of `NEVER`. */
  readonly packages?: readonly string[];
};

const FLOW = ['gateway/flow.ts'];
/** Pure, and what every salt means. */
const SALT = 'gateway/policy/salt.ts';
/** What both sides of the wire have in common: pure, and all that the gateway may import of the model server. */
const PROTOCOL = ['model-server/protocol/'];
const SHARED = [...FLOW, 'gateway/errors.ts', 'gateway/policy/', ...PROTOCOL];
/** Which fields hold secrets: pure. */
const SECRETS = 'gateway/policy/secrets.ts';
/** A folder that only its owner can read. */
const MAKE_FOLDER = 'gateway/policy/make-folder.ts';
/** A comparison, a batch of them and what they are kept in until they are written: the contract of comparing and storing. */
const COMPARISON = ['gateway/compare/comparison.ts', 'gateway/compare/batch.ts', 'gateway/compare/queue.ts'];
/** Runs work one after the other: pure. */
const TURNS = 'gateway/store/turns.ts';
const PURE = ['node:crypto', 'node:zlib'];
const SERVER_ERRORS = 'model-server/errors.ts';
/** A request in a file, beside a model. */
const READ_V2 = 'model-server/http/v2.ts';
const ANYTHING: Rule = { ours: ['gateway/', 'model-server/'] };

/** First match wins, so files stand before the folders that hold them. */
const TABLE: readonly (readonly [string, Rule])[] = [
  ['gateway/flow.ts', { ours: [], packages: [] }],
  ['gateway/errors.ts', { ours: [] }],
  ['gateway/version.ts', { ours: [] }],
  ['model-server/protocol/', { ours: [], packages: ['node:buffer'] }],
  ['gateway/policy/', { ours: ['gateway/errors.ts'] }],
  ['gateway/decide/', { ours: [...FLOW, SALT, ...PROTOCOL, 'type:gateway/policy/'], packages: PURE }],
  ['gateway/judge/rollout/document.ts', { ours: ['gateway/judge/'], packages: ['zod'] }],
  ['gateway/judge/rollout/schema.ts', { ours: ['gateway/judge/'], packages: ['zod'] }],
  ['gateway/judge/', { ours: [...FLOW, SALT, 'type:gateway/policy/'], packages: PURE }],
  [
    'gateway/tune/',
    {
      ours: [...FLOW, 'type:gateway/policy/', 'gateway/decide/', 'gateway/statistics/', 'type:gateway/compare/'],
      packages: PURE,
    },
  ],
  ['gateway/receive/', { ours: SHARED }],
  ['gateway/forward/', { ours: SHARED }],
  ['gateway/statistics/', { ours: [], packages: [] }],
  ['gateway/compare/', { ours: [...FLOW, ...PROTOCOL, SECRETS, 'type:gateway/policy/', 'gateway/statistics/'] }],
  ['gateway/store/', { ours: [...FLOW, 'gateway/errors.ts', MAKE_FOLDER, ...COMPARISON, 'gateway/statistics/'] }],
  ['gateway/observe/', { ours: [...FLOW, 'gateway/errors.ts', 'type:gateway/policy/', 'type:gateway/store/'] }],
  [
    'gateway/admin/',
    {
      ours: [
        ...SHARED,
        'gateway/decide/',
        'gateway/judge/',
        'gateway/statistics/',
        'gateway/compare/',
        'gateway/store/',
        'gateway/observe/',
        'gateway/tune/',
      ],
    },
  ],
  ['gateway/cli/', ANYTHING],
  ['gateway/main.ts', ANYTHING],
  ['gateway/app.ts', ANYTHING],
  ['gateway/wire/', ANYTHING],
  // Every command reads it, in the gateway's image too, which has the protocol of the model server alone.
  ['gateway/settings.ts', { ours: ['gateway/', ...PROTOCOL] }],
  [
    'gateway/conduct/',
    {
      ours: [
        ...FLOW,
        'gateway/errors.ts',
        'gateway/policy/',
        'gateway/decide/',
        'gateway/judge/',
        TURNS,
        'type:gateway/forward/',
        'type:gateway/compare/',
        'type:gateway/store/',
      ],
      packages: [],
    },
  ],
  [
    'model-server/predict.ts',
    { ours: [...PROTOCOL, SERVER_ERRORS, 'type:model-server/repository/', 'model-server/run/'], packages: [] },
  ],
  ['model-server/run/compare-providers.ts', { ours: [...PROTOCOL, SERVER_ERRORS, READ_V2, 'model-server/run/'] }],
  ['model-server/run/', { ours: [...PROTOCOL, SERVER_ERRORS] }],
  ['model-server/repository/', { ours: [...PROTOCOL, SERVER_ERRORS, READ_V2, 'model-server/run/'] }],
  ['model-server/', { ours: ['model-server/'] }],
];

/** Packages that a whole side never imports, whatever its rule says. */
const NEVER: readonly (readonly [string, string])[] = [
  ['gateway/', 'onnxruntime-node'],
  ['model-server/', 'undici'],
];

type Import = { readonly from: string; readonly target: string; readonly typeOnly: boolean };

test('every source file has a row in the import table', () => {
  assert.deepEqual(
    sources().filter((file) => ruleOf(file) === undefined),
    [],
  );
});

test('every import is allowed by the table', () => {
  assert.deepEqual(
    sources()
      .flatMap(importsOf)
      .filter((found) => !isAllowed(found))
      .map(({ from, target }) => `${from} -> ${target}`),
    [],
  );
});

test('the pure folders use no clock, no randomness and no environment', () => {
  const impure = /\b(Date\.now|new Date\(\)|performance\.|Math\.random|process\.|setTimeout|setInterval|fetch\()/;
  const pure = sources().filter((file) => /^gateway\/(decide|judge|tune)\//.test(file));
  assert.ok(pure.length > 0);
  assert.deepEqual(
    pure.filter((file) => impure.test(withoutComments(file))),
    [],
  );
});

test('the table refuses what it should', () => {
  const refused = (from: string, target: string, typeOnly = false) =>
    assert.equal(isAllowed({ from, target, typeOnly }), false, `${from} -> ${target}`);
  refused('gateway/decide/decide.ts', 'gateway/forward/send.ts');
  refused('gateway/decide/decide.ts', 'gateway/policy/load/load.ts');
  refused('gateway/decide/decide.ts', 'node:fs');
  refused('gateway/observe/metrics.ts', 'gateway/decide/decide.ts');
  refused('gateway/store/store.ts', 'gateway/compare/comparer.ts');
  refused('gateway/statistics/sums.ts', 'gateway/compare/batch.ts');
  refused('gateway/conduct/per-request.ts', 'gateway/forward/send.ts');
  refused('gateway/conduct/per-request.ts', 'undici');
  refused('gateway/cli/run/demo.ts', 'onnxruntime-node');
  refused('model-server/http/app.ts', 'gateway/errors.ts');
  refused('model-server/predict.ts', 'model-server/http/answer.ts');
  refused('model-server/run/runner.ts', 'model-server/repository/loader.ts');
  assert.equal(
    isAllowed({ from: 'gateway/decide/decide.ts', target: 'gateway/policy/policy.ts', typeOnly: true }),
    true,
  );
});

function sources(): string[] {
  return ['gateway', 'model-server'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(folder, file)),
  );
}

function importsOf(from: string): Import[] {
  const statements = withoutComments(from).matchAll(
    /(?:import|export)\s+(type\s+)?(?:[^'"();]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g,
  );
  return [...statements].map(([, type, named, dynamic]) => {
    const target = named ?? dynamic ?? '';
    const resolved = target.startsWith('.') ? relative(ROOT, normalize(join(ROOT, dirname(from), target))) : target;
    return { from, target: resolved, typeOnly: type !== undefined };
  });
}

function withoutComments(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, '$1');
}

function ruleOf(file: string): Rule | undefined {
  return TABLE.find(([path]) => file === path || (path.endsWith('/') && file.startsWith(path)))?.[1];
}

function isAllowed({ from, target, typeOnly }: Import): boolean {
  const rule = ruleOf(from);
  if (rule === undefined) return false;
  if (NEVER.some(([side, name]) => from.startsWith(side) && target === name)) return false;
  if (!target.endsWith('.ts')) return rule.packages === undefined || rule.packages.includes(target);
  if (dirname(from) !== 'gateway' && target.startsWith(`${from.split('/').slice(0, 2).join('/')}/`)) return true; // its own folder
  return rule.ours.some((path) => {
    const isTypeRow = path.startsWith('type:');
    const allowed = isTypeRow ? path.slice('type:'.length) : path;
    return (typeOnly || !isTypeRow) && (target === allowed || (allowed.endsWith('/') && target.startsWith(allowed)));
  });
}
