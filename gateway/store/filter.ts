import type { Comparison } from '../compare/comparison.ts';
import { isComparison } from './comparison-shape.ts';
import type { PageQuery } from './store.ts';

/** Whether a comparison is what a page was asked for. */
export function fits(comparison: Comparison, query: PageQuery): boolean {
  const { model, shadow, version, kind, since, until } = query;
  if (model !== undefined && comparison.model !== model) return false;
  if (shadow !== undefined && comparison.shadow !== shadow) return false;
  if (kind !== undefined && comparison.kind !== kind) return false;
  if (since !== undefined && comparison.at < since) return false;
  if (until !== undefined && comparison.at >= until) return false;
  if (version !== undefined && comparison.baseline.version !== version && comparison.candidate.version !== version)
    return false;
  return fitsField(comparison, query);
}

function fitsField({ fields }: Comparison, { field, from, to }: PageQuery): boolean {
  if (field === undefined && from === undefined && to === undefined) return true;
  const isCell = from !== undefined || to !== undefined;
  return fields.some((found) => {
    if (field !== undefined && found.field !== field) return false;
    if (!isCell) return !found.same;
    return found.as === 'classification' && found.cells.some(([a, b]) => (from ?? a) === a && (to ?? b) === b);
  });
}

/** The comparison that a line holds; undefined for a line that a crash cut short or another program wrote. */
export function parseRecord(line: string): Comparison | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isComparison(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
