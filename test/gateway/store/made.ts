// Comparisons and stores as tests of the store need them.
import { type ComparisonBatch, Deltas, linesOf } from '../../../gateway/compare/batch.ts';
import type { Comparison, FieldComparison } from '../../../gateway/compare/comparison.ts';
import type { PageQuery, Store } from '../../../gateway/store/store.ts';
import { until } from '../../support/until.ts';

export const NOW = Date.now();

/** A comparison of digits v1 with v2 that says the same, but for what is given. */
export function comparison(id: string, more: Partial<Comparison> = {}): Comparison {
  const side = { status: 200, server: 'cpu-a', latencyMs: 2, bytes: 400 };
  return {
    id,
    model: 'digits',
    shadow: 'v2',
    at: NOW,
    kind: 'same',
    baseline: { ...side, version: 'v1' },
    candidate: { ...side, version: 'v2' },
    fields: [],
    ...more,
  };
}

/** One output that differs. */
export function differing(field: string): FieldComparison {
  return { field, same: false, distance: 0.5, as: 'exact', count: 1, differing: 1 };
}

/** What the process that compares would make of these. */
export function batchOf(comparisons: readonly Comparison[], kept: ComparisonBatch['kept'] = []): ComparisonBatch {
  const deltas = new Deltas();
  for (const made of comparisons) deltas.add(made);
  const records = linesOf(comparisons.map((made) => JSON.stringify(made)));
  return { records, deltas: deltas.list(), kept };
}

/** Waits until everything told to a store is written. */
export async function written(store: Store, count: number): Promise<void> {
  await until(() => store.health().counters.written >= count, `${count} written: ${JSON.stringify(store.health())}`);
}

/** The ids of one page. */
export async function idsOf(store: Store, query: Partial<PageQuery> = {}): Promise<string[]> {
  const { comparisons } = await store.comparisons.page({ limit: 100, ...query });
  return comparisons.map(({ id }) => id);
}

/** Whether nothing told to a store went uncounted. */
export function addsUp(store: Store): boolean {
  const { offered, written, dropped, unknown, waiting } = store.health().counters;
  return offered === written + dropped + unknown + waiting;
}
