// Trials, labels and labelled requests as JSON lines.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Comparison } from '../../compare/comparison.ts';
import { UserError } from '../../errors.ts';
import { COMPARISON } from '../../store/comparison-shape.ts';
import type { Said, Trial } from '../../tune/trial.ts';
import { parseWhole, partOf } from '../text/exact-json.ts';
import { writeWhole } from '../write-file.ts';

/** A request that people have looked at: what to send, and what is right. */
export type Labelled = {
  readonly id: string;
  readonly protocol: 'v1' | 'v2';
  /** The body as it is written in the file: its numbers keep their digits. */
  readonly request: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly label: string | undefined;
};

const label = z.union([z.string(), z.number(), z.bigint(), z.boolean()]).transform(String);

const LABELLED = z.object({
  id: z.string().min(1).max(256).optional(),
  request: z
    .record(z.string(), z.unknown())
    .refine((body) => 'inputs' in body || 'instances' in body, 'expected the body of a request: {"inputs": [...]}'),
  headers: z.record(z.string(), z.string()).default({}),
  label: label.optional(),
});

const SAID = z.object({
  answer: z.string(),
  confidence: z.number().min(0).max(1).optional(),
  latencyMs: z.number().min(0),
  cost: z.number().min(0).optional(),
  digest: z.string().optional(),
});

const TRIAL = z.object({
  id: z.string(),
  label: label.optional(),
  start: z.string().optional(),
  tiers: z.record(z.string(), SAID),
});

const LABEL = z.object({ id: z.string(), label });

/** Labelled requests, one a line. Throws UserError with the line that is none. */
export function readLabelled(file: string): Labelled[] {
  return readRows(file, LABELLED, '{"request": {"inputs": [...]}, "label": ...}').map(
    ({ row: { id, request, headers, label: right }, line }, i) => ({
      id: id ?? `line-${i + 1}`,
      protocol: 'instances' in request ? 'v1' : 'v2',
      request: partOf(line, 'request') ?? '',
      headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
      label: right,
    }),
  );
}

/** Labels by request id. */
export function readLabels(file: string): ReadonlyMap<string, string> {
  const rows = readLines(file, LABEL, '{"id": "...", "label": ...}');
  return new Map(rows.map(({ id, label: right }) => [id, right]));
}

/** What a file of logged pairs holds: trials that were saved, or comparisons that were exported. */
export type Logged =
  | { readonly kind: 'trials'; readonly trials: readonly Trial[] }
  | { readonly kind: 'comparisons'; readonly comparisons: readonly Comparison[] };

/** Reads either. Throws UserError. */
export function readLogged(file: string): Logged {
  const [first = ''] = textOf(file).split('\n', 1);
  if (first.includes('"shadow"'))
    return {
      kind: 'comparisons',
      comparisons: readLines(file, COMPARISON, 'a comparison') as unknown as Comparison[],
    };
  const trials = readLines(
    file,
    TRIAL,
    'a trial, as --save writes it, or a comparison, as `sluice comparisons --json` does',
  );
  return {
    kind: 'trials',
    trials: trials.map(({ tiers, ...rest }) => ({ ...rest, tiers: new Map(Object.entries(tiers)) })),
  };
}

/** Writes trials so that `readLogged` reads them. */
export function writeTrials(file: string, trials: readonly Trial[]): void {
  const lines = trials.map(({ tiers, ...rest }) => JSON.stringify({ ...rest, tiers: Object.fromEntries<Said>(tiers) }));
  writeWhole(file, `${lines.join('\n')}\n`);
}

function readLines<T extends z.ZodType>(file: string, schema: T, expected: string): z.output<T>[] {
  return readRows(file, schema, expected).map(({ row }) => row);
}

type Row<T extends z.ZodType> = { readonly row: z.output<T>; readonly line: string };

function readRows<T extends z.ZodType>(file: string, schema: T, expected: string): Row<T>[] {
  const rows = textOf(file)
    .split('\n')
    .map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => line.trim() !== '');
  if (rows.length === 0) throw new UserError(`${file}: expected JSON lines, each ${expected}; the file is empty`);
  return rows.map(({ line, number }) => {
    const read = schema.safeParse(json(line));
    if (read.success) return { row: read.data, line };
    const [issue] = read.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
    throw new UserError(`${file}:${number}: expected ${expected}; ${where}${issue?.message}`);
  });
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new UserError(
      `${file}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (error as Error).message}`,
      1,
      {
        cause: error,
      },
    );
  }
}

function json(line: string): unknown {
  try {
    return parseWhole(line);
  } catch {
    return undefined;
  }
}
