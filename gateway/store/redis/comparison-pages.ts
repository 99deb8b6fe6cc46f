// Pages of the stream of comparisons.
import type { Comparison } from '../../compare/comparison.ts';
import type { Damages } from '../damage.ts';
import { fits, parseRecord } from '../filter.ts';
import type { Page, PageQuery } from '../store.ts';
import type { Client } from './connections.ts';

/** Entries of one read, and how many one page looks through; the next page goes on from there. */
const READ_COUNT = 500;
const MAX_SCANNED = 10_000;
const BEGINNING = '0-0';

type StreamEntry = [id: string, fields: string[]];

/** The newest first, from the query's cursor on. */
export async function older(client: Client, key: string, query: PageQuery, damages: Damages): Promise<Page> {
  const newest = await newestId(client, key);
  const found: Comparison[] = [];
  const start = query.cursor === undefined ? newest : checkedId(query.cursor);
  if (start === BEGINNING) return { comparisons: [], cursor: undefined, newest };
  let end = query.cursor === undefined ? start : `(${start}`;
  for (let scanned = 0; scanned < MAX_SCANNED; scanned += READ_COUNT) {
    const entries = (await client.xrevrange(key, end, '-', 'COUNT', READ_COUNT)) as StreamEntry[];
    for (const [id, fields] of entries) {
      const comparison = comparisonIn(id, fields, key, damages);
      if (comparison !== undefined && fits(comparison, query)) found.push(comparison);
      if (found.length === query.limit) return { comparisons: found, cursor: id, newest };
    }
    const last = entries.at(-1)?.[0];
    if (last === undefined || entries.length < READ_COUNT) return { comparisons: found, cursor: undefined, newest };
    end = `(${last}`;
  }
  return { comparisons: found, cursor: end.slice(1), newest };
}

/** What came after a place, the oldest first. */
export async function newer(
  client: Client,
  key: string,
  query: PageQuery,
  after: string,
  damages: Damages,
): Promise<Page> {
  const found: Comparison[] = [];
  let newest = checkedId(after);
  for (let scanned = 0; scanned < MAX_SCANNED; scanned += READ_COUNT) {
    const entries = (await client.xrange(key, `(${newest}`, '+', 'COUNT', READ_COUNT)) as StreamEntry[];
    for (const [id, fields] of entries) {
      newest = id;
      const comparison = comparisonIn(id, fields, key, damages);
      if (comparison !== undefined && fits(comparison, query)) found.push(comparison);
      if (found.length === query.limit) return { comparisons: found, cursor: undefined, newest };
    }
    if (entries.length < READ_COUNT) break;
  }
  return { comparisons: found, cursor: undefined, newest };
}

/** Undefined for an entry that another program wrote. */
function comparisonIn(id: string, fields: readonly string[], key: string, damages: Damages): Comparison | undefined {
  const comparison = parseRecord(fields[1] ?? '');
  if (comparison === undefined) damages.saw(key, [`entry ${id} is no comparison`]);
  return comparison;
}

async function newestId(client: Client, key: string): Promise<string> {
  const [entry] = (await client.xrevrange(key, '+', '-', 'COUNT', 1)) as StreamEntry[];
  return entry?.[0] ?? BEGINNING;
}

/** A stream id, or the beginning for anything else. */
function checkedId(cursor: string): string {
  return /^\d{1,19}-\d{1,19}$/.test(cursor) ? cursor : BEGINNING;
}
