// The reference of the policy language, written from the schema's own descriptions, so that it cannot drift.
import { stringify } from 'yaml';
import { z } from 'zod';
import { bodyPath, headerName, match, range } from './schema/match.ts';
import { step } from './schema/rollout.ts';
import { scale } from './schema/tiers.ts';
import { unit } from './schema/unit.ts';
import { policyJsonSchema } from './schema.ts';
import { bytes, duration, name, percentage, ratio } from './units.ts';

/** As much of a JSON Schema as the policy's has. */
type Schema = {
  readonly title?: string;
  readonly description?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly propertyNames?: Schema;
  readonly additionalProperties?: Schema | false;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
};

/** Maps with a title of their own; every other title names a kind of value. */
const MAPS = new Set(['Sluice routing policy', 'a model with versions', 'a ladder of tiers']);

/** A heading with a table: the keys of one map. */
type Section = { readonly path: readonly string[]; readonly title: string; readonly schema: Schema };

const EXAMPLES: readonly (readonly [string, string])[] = [
  ['canary', 'one candidate, its share growing step by step, with rollback guards'],
  ['two-candidates', 'two candidates at one time, each with a block of callers of its own'],
  ['experiment', 'a sticky A/B test with a holdout'],
  ['shadow', 'copies of requests to versions that must prove themselves'],
  ['tiers', 'a ladder of models, and the rules that choose among them'],
  ['pins', 'who may choose a version'],
  ['protocols-and-fleet', 'servers of several kinds, other protocols, TLS'],
];

/** config/policy.md, whole. */
export function policyMarkdown(): string {
  const root = policyJsonSchema() as Schema;
  return [
    '# The policy file',
    'Written by `sluice schema --docs` from the schema itself; do not edit. One YAML 1.2 file says what Sluice does. Unknown',
    'keys, aliases, tags and numbers such as `0x10` are refused. `sluice validate` tells every mistake with its line.\n',
    '## Examples\n',
    ...EXAMPLES.map(([file, what]) => `- [${file}.yaml](examples/${file}.yaml): ${what}`),
    '\n## Kinds of values\n',
    '| kind | what it is |\n| --- | --- |',
    ...[name, duration, percentage, ratio, bytes, step, unit, match, range, scale, headerName, bodyPath].map(kindRow),
    '',
    ...sectionsOf([], root).map(sectionText),
  ]
    .join('\n')
    .trimEnd()
    .concat('\n');
}

function kindRow(kind: z.ZodType): string {
  const { title, description } = z.toJSONSchema(kind, { io: 'input', target: 'draft-7' }) as Schema;
  return `| ${title} | ${cell(description ?? '')} |`;
}

/** The maps at and below a place, in the order of the file. */
function sectionsOf(path: readonly string[], schema: Schema): Section[] {
  if (schema.items !== undefined) return sectionsOf(path, schema.items);
  if (isKind(schema)) return [];
  if (schema.anyOf !== undefined) {
    const maps = schema.anyOf.map((each) => each.items ?? each).filter(({ properties }) => properties !== undefined);
    if (maps.every(({ title }) => title !== undefined)) return maps.flatMap((each) => sectionsOf(path, each));
    return sectionsOf(path, { ...merged(maps), description: schema.description ?? '' });
  }
  if (schema.additionalProperties) return sectionsOf([...path, '*'], schema.additionalProperties);
  if (schema.properties === undefined) return [];
  const inner = Object.entries(schema.properties).flatMap(([key, each]) => sectionsOf([...path, key], each));
  return [{ path, title: schema.title ?? '', schema }, ...inner];
}

/** One map with the keys of several, of which only those are required that all of them require. */
function merged(maps: readonly Schema[]): Schema {
  const [first, ...others] = maps;
  const required = (first?.required ?? []).filter((key) => others.every((map) => map.required?.includes(key)));
  return { properties: Object.assign({}, ...maps.map(({ properties }) => properties)), required };
}

function sectionText({ path, title, schema }: Section): string {
  const rows = Object.entries(schema.properties ?? {}).map(([key, each]) => rowText([...path, key], each, schema));
  const heading =
    path.length === 0 ? 'The file' : `\`${shown(path)}\`${path.length === 2 && title !== '' ? `: ${title}` : ''}`;
  return [
    `## ${heading}\n`,
    ...(schema.description ? [`${schema.description}\n`] : []),
    '| key | type | default | description |\n| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function rowText(path: readonly string[], schema: Schema, { required }: Schema): string {
  const key = path.at(-1) ?? '';
  const preset = presetText(schema.default);
  const isRequired = required?.includes(key) === true && schema.default === undefined;
  const columns = [`\`${key}\``, typeText(schema), isRequired ? '**required**' : preset, schema.description ?? ''];
  return `| ${columns.map(cell).join(' | ')} |`;
}

/** A default as one would write it; keys that all have defaults of their own have none together. */
function presetText(preset: unknown): string {
  const isLeftToKeys = typeof preset === 'object' && preset !== null && Object.keys(preset).length === 0;
  if (preset === undefined || (isLeftToKeys && !Array.isArray(preset))) return '';
  return `\`${stringify(preset, { collectionStyle: 'flow' }).trim()}\``;
}

function typeText(schema: Schema): string {
  if (isKind(schema)) return schema.title ?? '';
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ');
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeText))].join(', or ');
  if (schema.items !== undefined) return `list of ${typeText(schema.items)}`;
  if (schema.additionalProperties)
    return `${typeText(schema.additionalProperties)}, by ${schema.propertyNames?.title ?? 'name'}`;
  if (schema.properties !== undefined) return 'keys';
  if (schema.type === 'boolean') return '`true`, `false`';
  if (schema.type === 'string') return 'text';
  return `${schema.type === 'integer' ? 'whole number' : 'number'}${boundsText(schema)}`;
}

function boundsText({ minimum, maximum, exclusiveMinimum }: Schema): string {
  const isBounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (exclusiveMinimum !== undefined) return ` above ${exclusiveMinimum}${isBounded ? `, at most ${maximum}` : ''}`;
  if (minimum === undefined || minimum <= Number.MIN_SAFE_INTEGER) return '';
  return isBounded ? ` from ${minimum} to ${maximum}` : ` from ${minimum}`;
}

/** Whether it is a value of a kind that the reference tells once, at its beginning. */
function isKind({ title }: Schema): boolean {
  return title !== undefined && !MAPS.has(title);
}

function shown(path: readonly string[]): string {
  return path.map((step) => (step === '*' ? '<name>' : step)).join('.');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
