// What the admin listener tells of comparisons: pages of them, and what they add up to. Read only.
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { Subject } from '../compare/batch.ts';
import { COMPARISON_KINDS } from '../compare/comparison.ts';
import { disagreementIn } from '../compare/disagreement.ts';
import { type Summary, summarise } from '../compare/summary.ts';
import { SluiceError } from '../errors.ts';
import { totalOf } from '../statistics/sums.ts';
import type { Page, Slot, SlotSums, Store } from '../store/store.ts';
import { readNoiseMarks } from './noise-marks.ts';
import { storeError } from './store-error.ts';

export type ComparisonRoutesDeps = {
  readonly store: Pick<Store, 'comparisons' | 'audit' | 'now'>;
};

/** Comparisons of one page, whatever is asked for. */
export const MAX_PAGE = 500;
const DEFAULT_PAGE = 50;
/** How long a caller may wait for something new. */
const MAX_WAIT_MS = 20_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Ranges up to here are shown by the minute. */
const BY_MINUTE_MS = 2 * HOUR_MS;

/** Adds `/api/comparisons`, `/api/comparisons/summary` and `/api/comparisons/kept`. */
export function addComparisonRoutes(app: FastifyInstance, { store }: ComparisonRoutesDeps): void {
  const route = (path: string, answer: (query: unknown) => Promise<unknown>) =>
    app.get(path, (request) => readable(() => answer(request.query)));
  route('/api/comparisons', (query) => comparisonPage(store, query));
  route('/api/comparisons/summary', async (query) => ({
    ...(await comparisonSummaries(store, query)),
    marked: await readNoiseMarks(store.audit),
  }));
  route('/api/comparisons/kept', (query) => keptOf(store, query));
}

const text = z.string().min(1).max(256).optional();
/** `2026-01-31T12:00:00Z`, or milliseconds since 1970. */
const time = z
  .string()
  .transform((given) => (/^\d{1,15}$/.test(given) ? Number(given) : Date.parse(given)))
  .refine(Number.isFinite, 'expected a time such as 2026-01-31T12:00:00Z, or milliseconds since 1970')
  .optional();
const amount = (least: number, most: number, standard: number) =>
  z
    .string()
    .regex(/^-?\d{1,18}$/, 'expected a whole number')
    .transform((given) => Math.min(Math.max(Number(given), least), most))
    .default(standard);

const PAGE = z.strictObject({
  model: text,
  shadow: text,
  version: text,
  kind: z.enum(COMPARISON_KINDS).optional(),
  field: text,
  from: text,
  to: text,
  since: time,
  until: time,
  cursor: text,
  after: text,
  limit: amount(1, MAX_PAGE, DEFAULT_PAGE),
  wait: amount(0, MAX_WAIT_MS, 0),
});

/** A page of comparisons. With `after` and `wait` the answer comes when there is something new, or time is over. */
export async function comparisonPage(store: Pick<Store, 'comparisons'>, query: unknown): Promise<Page> {
  const { wait, ...asked } = checked(PAGE, query);
  const page = await store.comparisons.page(asked);
  if (wait === 0 || asked.after === undefined || page.comparisons.length > 0) return page;
  await store.comparisons.news(wait);
  return store.comparisons.page({ ...asked, after: page.newest });
}

const SUMMARY = z.strictObject({ model: text, shadow: text, since: time, until: time });

/** What the comparisons of one shadow between two versions add up to. */
export type SubjectSummary = {
  readonly subject: Subject;
  readonly summary: Summary;
  /** By slot of time, for a chart. */
  readonly series: readonly SeriesPoint[];
};

export type SeriesPoint = {
  readonly at: number;
  readonly pairs: number;
  readonly compared: number;
  readonly different: number;
  readonly errors: number;
  readonly noisePairs: number;
  readonly noiseDifferent: number;
};

export type Summaries = {
  readonly since: number;
  readonly until: number;
  readonly slot: Slot;
  readonly subjects: readonly SubjectSummary[];
};

/** Summaries of every shadow that fits, over a range of time: the last day when nothing is said. */
export async function comparisonSummaries(
  store: Pick<Store, 'comparisons' | 'now'>,
  query: unknown,
): Promise<Summaries> {
  const { model, shadow, until = store.now() + 1, since = until - DAY_MS } = checked(SUMMARY, query);
  const slot = until - since <= BY_MINUTE_MS ? 'minute' : 'hour';
  const subjects = (await store.comparisons.subjects()).filter(
    (subject) => (model ?? subject.model) === subject.model && (shadow ?? subject.shadow) === subject.shadow,
  );
  const summaries: SubjectSummary[] = [];
  for (const subject of subjects) {
    const slots = await store.comparisons.sums(subject, slot, since, until);
    if (slots.length === 0) continue;
    const summary = summarise(totalOf(slots.map(({ sums }) => sums)));
    summaries.push({ subject, summary, series: slots.map(pointOf) });
  }
  return { since, until, slot, subjects: summaries };
}

function pointOf({ at, sums }: SlotSums): SeriesPoint {
  const read = (key: string) => sums.get(key) ?? 0;
  const { trials, hits } = disagreementIn((kind) => read(`kind/${kind}`));
  return {
    at,
    pairs: read('pairs'),
    compared: trials,
    different: hits,
    errors: read('kind/candidate_error'),
    noisePairs: read('noise/pairs'),
    noiseDifferent: read('noise/different'),
  };
}

async function keptOf({ comparisons }: Pick<Store, 'comparisons'>, query: unknown): Promise<unknown> {
  const { id } = checked(z.strictObject({ id: z.string().min(1).max(1024) }), query);
  const kept = await comparisons.kept(id);
  return { id, kept: kept === undefined ? null : keptIn(kept) };
}

const VALUES = z.record(z.string(), z.array(z.unknown()));
const KEPT = z.object({ baseline: VALUES, candidate: VALUES, request: VALUES });

/** Null for what another program wrote under the same key. */
function keptIn(text: string): z.output<typeof KEPT> | null {
  try {
    return KEPT.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function checked<T>(schema: z.ZodType<T>, query: unknown): T {
  const { success, data, error } = schema.safeParse(query);
  if (success) return data;
  const [issue] = error.issues;
  throw new SluiceError('BAD_REQUEST', `${issue?.path.join('.') || 'query'}: ${issue?.message}`);
}

function readable<T>(read: () => Promise<T>): Promise<T> {
  return read().catch(storeError);
}
