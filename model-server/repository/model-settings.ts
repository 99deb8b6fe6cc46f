import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isMap, LineCounter, parseDocument, visit } from 'yaml';
import { z } from 'zod';
import { ALIAS_NAME, VERSION_NAME } from '../protocol/names.ts';
import { PROVIDERS } from '../protocol/provider-names.ts';

const MICROSECONDS: Readonly<Record<string, number>> = { us: 1, ms: 1000, s: 1_000_000, m: 60_000_000 };
const BYTES: Readonly<Record<string, number>> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };
const DAY_US = 86_400 * 1_000_000;

const duration = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,6})?(us|ms|s|m)$/, 'expected a time with its unit, such as 500us, 20ms or 1.5s')
  .transform((text) => Math.round(Number.parseFloat(text) * (MICROSECONDS[text.replace(/^[\d.]+/, '')] ?? 1)))
  .refine((microseconds) => microseconds <= DAY_US, 'expected at most a day');
const size = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,6})?(KiB|MiB|GiB)$/, 'expected a size with its unit, such as 512KiB or 1.5GiB')
  .transform((text) => Math.ceil(Number.parseFloat(text) * (BYTES[text.replace(/^[\d.]+/, '')] ?? 1)));
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'expected the name of a file beside model.onnx');
const tensorName = z.string().min(1).max(256);

const versionKeys = {
  batching: z
    .union(
      [
        z.literal(false),
        z.strictObject({ max_rows: z.int().min(1).max(65_536).default(32), delay: duration.default(0) }),
      ],
      'expected false, or { max_rows: 32, delay: 500us }',
    )
    .optional()
    .describe('Runs of several requests together; without it, on for models whose batch dimension is known.'),
  instances: z.int().min(1).max(64).optional().describe('Worker threads, each with weights of its own.'),
  threads: z.int().min(1).max(256).optional().describe('Threads of one run.'),
  providers: z
    .array(z.enum(PROVIDERS))
    .min(1)
    .refine((names) => new Set(names).size === names.length, 'expected each provider once')
    .optional()
    .describe('Execution providers, tried in this order.'),
  device: z.int().min(0).max(63).default(0).describe('Which GPU, by its number.'),
  require_provider: z.boolean().optional().describe('Refuse to load rather than fall back from the first provider.'),
  queue: z
    .strictObject({
      max: z.int().min(1).max(1_000_000).optional(),
      timeout: duration.optional(),
      priority: z.int().min(1).max(1000).default(10),
    })
    .optional()
    .describe('Requests that may wait, how long, and the priority (1 is first) of those that name none.'),
  warm_up: fileName.optional().describe('A v2 inference request as a JSON file, run before the version is ready.'),
  labels: z
    .record(tensorName, z.union([z.array(z.string().max(256)).min(1).max(100_000), fileName]))
    .optional()
    .describe('Names of the classes of an output: a list, or a file with one a line.'),
  confidence: z
    .strictObject({ output: tensorName, as: z.enum(['max', 'margin', 'entropy']).default('max') })
    .optional()
    .describe('The output whose probabilities give the confidence of an answer.'),
  max_request_rows: z
    .int()
    .min(1)
    .max(2 ** 31)
    .default(10_000)
    .describe('Largest batch of one request.'),
  max_text: size.default(1024 ** 2).describe('Longest element of a BYTES input, in characters.'),
  memory: z
    .strictObject({ arena: z.boolean().default(true) })
    .default({ arena: true })
    .describe('Whether the runtime keeps the memory of a run for the next one.'),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits')
    .optional()
    .describe('What model.onnx must be; anything else is not loaded.'),
};

const ofVersion = z.strictObject(versionKeys);
const ofModel = z.strictObject({
  ...versionKeys,
  aliases: z
    .record(
      z.string().regex(ALIAS_NAME),
      z.union([z.int(), z.string()]).transform(String).pipe(z.string().regex(VERSION_NAME)),
    )
    .default({})
    .describe('Further names of versions; callers may use them wherever a version stands.'),
});

/** What `model.yaml` says about one version; durations in microseconds, sizes in bytes. */
export type ModelSettings = z.infer<typeof ofVersion>;

/** Version by alias. */
export type Aliases = ReadonlyMap<string, string>;

const FILE = 'model.yaml';
const MAX_BYTES = 64 * 1024;

/**
 * Reads `{model}/model.yaml` and `{model}/{version}/model.yaml`, both optional; the version's keys win over the model's.
 * Rejects with file, line and column.
 */
export async function readModelSettings(modelFolder: string, version: string): Promise<ModelSettings> {
  const shared = await readYaml(modelFolder, FILE);
  const own = await readYaml(modelFolder, join(version, FILE));
  // Each file is checked as it stands, so that a mistake names its own line.
  check(ofModel, shared);
  check(ofVersion, own);
  const { aliases: _, ...keys }: Record<string, unknown> = { ...shared.value, ...own.value };
  return ofVersion.parse(keys);
}

/** Reads the aliases of a model; rejects with file, line and column. */
export async function readAliases(modelFolder: string): Promise<Aliases> {
  return new Map(Object.entries(check(ofModel, await readYaml(modelFolder, FILE)).aliases));
}

type Yaml = { readonly value: object; readonly at: (path: readonly PropertyKey[]) => string };

async function readYaml(folder: string, file: string): Promise<Yaml> {
  const path = join(folder, file);
  const status = await stat(path).catch(() => undefined);
  if (status === undefined) {
    return { value: {}, at: () => file };
  }
  if (!status.isFile() || status.size > MAX_BYTES) {
    throw new Error(`${file} is not a file of at most ${MAX_BYTES} bytes`);
  }
  const lines = new LineCounter();
  const document = parseDocument(await readFile(path, 'utf8'), { version: '1.2', schema: 'core', lineCounter: lines });
  const place = (offset = 0) => `${file}:${lines.linePos(offset).line}:${lines.linePos(offset).col}`;
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new Error(`${place(problem.pos[0])} ${problem.message.split('\n')[0]}`);
  }
  visit(document, {
    // An alias may name a version without quotes: 010 and 1e1 must not become version 10.
    Scalar: (_, { value, source, range }) => {
      if (typeof value !== 'number' || source === String(value)) return;
      throw new Error(
        `${place(range?.[0])} YAML reads ${source} as ${value}; write ${value}, or put quotes around a text`,
      );
    },
  });
  if (!isMap(document.contents)) {
    throw new Error(`${file} must be a map of settings`);
  }
  const at = (keys: readonly PropertyKey[]) => {
    const node = keys.length === 0 ? undefined : document.getIn(keys, true);
    const range = typeof node === 'object' && node !== null && 'range' in node ? (node.range as number[]) : [];
    return place(range[0]);
  };
  return { value: document.toJS({ maxAliasCount: 0 }), at };
}

function check<T>(schema: z.ZodType<T>, { value, at }: Yaml): T {
  const result = schema.safeParse(value);
  const issue = result.error?.issues[0];
  if (issue !== undefined) {
    const where = issue.path.length === 0 ? '' : ` ${issue.path.join('.')}`;
    throw new Error(`${at(issue.path)}${where}: ${issue.message}`);
  }
  return result.data as T;
}
