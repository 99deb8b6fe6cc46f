// The import table is the architecture (README, "How it is built"): who may import whom, how pure a room is, and how large
// things may grow. `layers.test.ts` keeps the sources to it.

export type Rule = {
  /** What this room may import of ours, besides itself; `type:` allows types only. */
  readonly ours: readonly string[];
  /** Packages and node modules that it may import. */
  readonly packages: readonly string[];
  /** No clock, no randomness, no environment, no I/O, no state of a module. */
  readonly isPure?: true;
};

const FLOW = 'gateway/flow.ts';
const ERRORS = 'gateway/errors.ts';
const STANDINGS = 'gateway/standings.ts';
const POLICY = 'gateway/policy/';
const POLICY_TYPES = 'type:gateway/policy/';
const DECIDE = 'gateway/decide/';
const JUDGE = 'gateway/judge/';
const STATISTICS = 'gateway/statistics/';
/** What both sides of the wire have in common, and all that the gateway may import of the model server. */
const PROTOCOL = 'model-server/protocol/';
/** What every salt means, and which fields hold secrets: pure. */
const SALT = 'gateway/policy/salt.ts';
const SECRETS = 'gateway/policy/secrets.ts';
/** A folder that only its owner can read. */
const MAKE_FOLDER = 'gateway/policy/make-folder.ts';
/** A comparison, a batch of them and what they wait in: the contract of comparing and storing. */
const COMPARISONS = ['gateway/compare/comparison.ts', 'gateway/compare/batch.ts', 'gateway/compare/queue.ts'];
/** Runs work one after the other. */
const TURNS = 'gateway/store/turns.ts';
const DOOR = [FLOW, ERRORS, POLICY, PROTOCOL];
const STORE = [FLOW, ERRORS, STATISTICS, MAKE_FOLDER, ...COMPARISONS];
const SERVER_ERRORS = 'model-server/errors.ts';
/** Reads a request that lies in a file, beside a model. */
const READ_V2 = 'model-server/http/v2.ts';
const FILES = ['node:fs', 'node:fs/promises', 'node:os', 'node:path', 'node:url'];
const SLEEP = 'node:timers/promises';

/** The longest path that matches is the rule. Files stand for themselves where a root folder holds them. */
export const TABLE: Readonly<Record<string, Rule>> = {
  'gateway/main.ts': { ours: ['gateway/'], packages: [] },
  'gateway/app.ts': { ours: ['gateway/'], packages: [SLEEP] },
  'gateway/settings.ts': {
    ours: [
      ERRORS,
      'gateway/policy/url.ts',
      'gateway/receive/http/claims.ts',
      'type:gateway/receive/',
      'type:gateway/cli/',
    ],
    packages: ['node:fs'],
  },
  'gateway/flow.ts': { ours: [], packages: [], isPure: true },
  'gateway/errors.ts': { ours: [], packages: [] },
  'gateway/standings.ts': { ours: [], packages: [], isPure: true },
  'gateway/version.ts': { ours: [], packages: ['node:fs'] },
  'gateway/wire/': { ours: ['gateway/'], packages: ['fastify', SLEEP] },
  'gateway/policy/': { ours: [ERRORS], packages: ['zod', 'yaml', 'node:net', ...FILES] },
  'gateway/policy/schema/': { ours: [POLICY], packages: ['zod'] },
  'gateway/policy/check/': { ours: [POLICY], packages: ['node:crypto', 'node:fs', 'node:tls'] },
  'gateway/policy/compile/': { ours: [POLICY], packages: [] },
  'gateway/policy/load/': {
    ours: [POLICY, ERRORS],
    packages: ['yaml', 'node:crypto', 'node:worker_threads', SLEEP, ...FILES],
  },
  'gateway/receive/': { ours: DOOR, packages: ['node:perf_hooks'] },
  'gateway/receive/http/': {
    ours: [...DOOR, 'gateway/receive/'],
    packages: ['fastify', 'node:crypto', 'node:http', 'node:net', 'node:stream'],
  },
  'gateway/conduct/': {
    ours: [
      FLOW,
      STANDINGS,
      ERRORS,
      POLICY,
      DECIDE,
      JUDGE,
      TURNS,
      'type:gateway/forward/',
      'type:gateway/compare/',
      'type:gateway/store/',
    ],
    packages: [],
  },
  'gateway/decide/': {
    ours: [FLOW, SALT, POLICY_TYPES, PROTOCOL],
    packages: ['node:crypto', 'node:zlib'],
    isPure: true,
  },
  'gateway/judge/evidence/': { ours: [FLOW, JUDGE, STATISTICS, POLICY_TYPES], packages: [], isPure: true },
  'gateway/judge/verdict/': { ours: [FLOW, JUDGE, STATISTICS, POLICY_TYPES], packages: [], isPure: true },
  'gateway/judge/rollout/': {
    ours: [FLOW, SALT, JUDGE, STATISTICS, POLICY_TYPES],
    packages: ['node:crypto', 'zod'],
    isPure: true,
  },
  'gateway/tune/': {
    ours: [FLOW, DECIDE, STATISTICS, POLICY_TYPES, 'type:gateway/compare/'],
    packages: [],
    isPure: true,
  },
  'gateway/statistics/': { ours: [], packages: [], isPure: true },
  'gateway/forward/': {
    ours: DOOR,
    packages: ['@fastify/http-proxy', 'fastify', 'undici', 'node:http', 'node:stream'],
  },
  'gateway/forward/fleet/': {
    ours: [...DOOR, 'gateway/forward/'],
    packages: ['undici', 'node:dns', 'node:net', 'node:util'],
  },
  'gateway/forward/watch/': { ours: [...DOOR, 'gateway/forward/'], packages: [] },
  'gateway/forward/mirror/': { ours: [...DOOR, 'gateway/forward/'], packages: ['undici', 'node:crypto', SLEEP] },
  'gateway/compare/': {
    ours: [FLOW, POLICY_TYPES, SECRETS, PROTOCOL, STATISTICS],
    packages: ['node:child_process', 'node:crypto', 'node:net', 'node:zlib', ...FILES],
  },
  'gateway/compare/comparators/': {
    ours: [FLOW, POLICY_TYPES, PROTOCOL, STATISTICS, 'gateway/compare/'],
    packages: [],
    isPure: true,
  },
  'gateway/store/': { ours: STORE, packages: ['zod', 'node:crypto', 'node:path'] },
  'gateway/store/files/': {
    ours: [...STORE, 'gateway/store/'],
    packages: ['zod', 'node:crypto', 'node:net', SLEEP, ...FILES],
  },
  'gateway/store/redis/': {
    ours: [...STORE, 'gateway/store/'],
    packages: ['ioredis', 'node:crypto', 'node:fs', 'node:net', 'node:tls', SLEEP],
  },
  'gateway/observe/': {
    ours: [FLOW, STANDINGS, ERRORS, POLICY_TYPES, 'type:gateway/store/'],
    packages: ['pino', 'prom-client', 'node:crypto', 'node:fs', 'node:stream', SLEEP],
  },
  'gateway/admin/': {
    ours: [
      ...[
        FLOW,
        STANDINGS,
        ERRORS,
        POLICY,
        DECIDE,
        JUDGE,
        STATISTICS,
        'gateway/tune/',
        'gateway/compare/',
        'gateway/observe/',
      ],
      ...[
        'gateway/store/store.ts',
        'gateway/store/experiment-summary.ts',
        'type:gateway/store/',
        'gateway/admin/console/',
      ],
    ],
    packages: ['fastify', 'zod', 'node:crypto', 'node:module', SLEEP, ...FILES],
  },
  'gateway/admin/console/': {
    ours: [
      STANDINGS,
      'type:gateway/admin/',
      'type:gateway/compare/',
      'type:gateway/judge/',
      'type:gateway/statistics/',
    ],
    packages: ['uplot'],
  },
  'gateway/cli/': { ours: ['gateway/'], packages: ['node:util', ...FILES] },
  'gateway/cli/policy/': { ours: ['gateway/'], packages: ['zod', 'node:fs'] },
  'gateway/cli/run/': {
    ours: ['gateway/', 'model-server/main.ts', SERVER_ERRORS, PROTOCOL, 'model-server/samples/'],
    packages: ['undici', 'yaml', 'node:child_process', 'node:events', 'node:net', SLEEP, ...FILES],
  },
  'gateway/cli/ask/': { ours: ['gateway/'], packages: ['node:os'] },
  'gateway/cli/tune/': { ours: ['gateway/', PROTOCOL], packages: ['undici', 'yaml', 'zod', 'node:fs', 'node:path'] },
  'gateway/cli/text/': { ours: [DECIDE, PROTOCOL], packages: [] },
  'model-server/main.ts': { ours: ['model-server/'], packages: ['fastify', 'pino', SLEEP] },
  'model-server/settings.ts': { ours: [PROTOCOL, 'type:model-server/run/'], packages: ['pino', 'node:fs'] },
  'model-server/errors.ts': { ours: [PROTOCOL], packages: [] },
  'model-server/metrics.ts': { ours: ['model-server/'], packages: ['prom-client'] },
  'model-server/predict.ts': {
    ours: [PROTOCOL, SERVER_ERRORS, 'model-server/run/', 'type:model-server/repository/'],
    packages: [],
  },
  'model-server/protocol/': { ours: [], packages: ['node:buffer'], isPure: true },
  'model-server/http/': {
    ours: ['model-server/'],
    packages: [
      ...['fastify', 'pino', 'node:buffer', 'node:http', 'node:net', 'node:v8', 'node:worker_threads', 'node:zlib'],
      ...['node:fs/promises', 'node:path', SLEEP],
    ],
  },
  'model-server/run/': {
    ours: [PROTOCOL, SERVER_ERRORS, READ_V2],
    packages: ['onnxruntime-node', 'node:path', 'node:util', 'node:worker_threads'],
  },
  'model-server/repository/': {
    ours: [PROTOCOL, SERVER_ERRORS, READ_V2, 'model-server/run/'],
    packages: ['pino', 'yaml', 'zod', 'node:crypto', 'node:stream/promises', 'node:worker_threads', ...FILES],
  },
  'model-server/samples/': { ours: [], packages: ['node:fs', 'node:path', 'node:zlib'] },
  'model-server/training/': {
    ours: ['model-server/samples/'],
    packages: ['onnxruntime-node', 'node:child_process', 'node:crypto', 'node:module', 'node:util', ...FILES],
  },
};

/** Of modules that can also do other things, what a pure room may import. */
export const PURE_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  'node:buffer': ['isUtf8'],
  'node:crypto': ['createHash', 'hash'],
  'node:zlib': ['deflateRawSync', 'gunzipSync', 'inflateSync', 'unzipSync'],
  zod: ['z'],
};
/** Of the global names, those that a pure room may use. */
export const PURE_GLOBALS = new Set(
  `Array ArrayBuffer BigInt BigInt64Array BigUint64Array Boolean Buffer Date Error Float32Array Float64Array Infinity Int16Array
  Int32Array Int8Array JSON Map Math NaN Number Object Promise RangeError Reflect RegExp Set String Symbol SyntaxError TextDecoder
  TypeError URL Uint16Array Uint32Array Uint8Array WeakMap decodeURIComponent encodeURIComponent isFinite isNaN parseFloat
  parseInt structuredClone undefined`.split(/\s+/),
);
/** What those can do that is not pure, and a variable of a module. */
export const IMPURE = /\bMath\.random\b|\bDate\.now\b|\bnew Date\b|\bDate\(\)|^(?:export )?(?:let|var) /m;

export const MOST_FILES = 30;
export const MOST_LINES = 250;
export const MOST_OF_A_FUNCTION = 50;
/** What is longer all the same, with a bound of its own: to be mended. One that is not needed any more is an error too. */
export const LONGER_FILES: Readonly<Record<string, number>> = {};
export const LONGER_FUNCTIONS: Readonly<Record<string, number>> = {};
