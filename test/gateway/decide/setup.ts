import assert from 'node:assert/strict';
import type { Decision, Facts } from '../../../gateway/flow.ts';
import { parsePolicy } from '../../../gateway/policy/load/load.ts';
import type { Model } from '../../../gateway/policy/policy.ts';

/** One model of a policy made of these models, all on one server. */
export function modelOf(models: string, name: string): Model {
  const text = `apiVersion: sluice/v1\nfleet: { s: { url: "http://127.0.0.1:1" } }\nmodels:\n${models}`;
  const model = parsePolicy(text, 'p').models.get(name);
  assert.ok(model);
  return model;
}

/** The model `digits` with versions v1 (the baseline), v2 and v3, and these keys. */
export function digits(...keys: readonly string[]): Model {
  const versions = 'versions: { v1: { servers: [s] }, v2: { servers: [s] }, v3: { servers: [s] } }';
  return modelOf(`  digits: { timeout: 1s, ${[versions, 'baseline: v1', ...keys].join(', ')} }\n`, 'digits');
}

/** A request; a body that is no Buffer is sent as JSON. */
export function request(headers: Facts['headers'], body: unknown = Buffer.alloc(0), more: Partial<Facts> = {}): Facts {
  return {
    id: 'r',
    model: 'digits',
    call: 'infer',
    pin: undefined,
    headers,
    rawHeaders: [],
    body: Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body)),
    ...more,
  };
}

/** The version that answers, or why none does. */
export function versionIn(decision: Decision): string {
  return decision.kind === 'serve' ? decision.version : decision.refusal;
}

/** The tier that answers. */
export function tierIn(decision: Decision): string {
  assert.ok(decision.kind === 'serve' && decision.tier !== undefined, JSON.stringify(decision));
  return decision.tier;
}

/** A generator with a fixed seed (mulberry32), in [0, 1) with 53 bits. */
export function randomFrom(seed: number): () => number {
  let state = seed;
  const word = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53;
}

/** Pearson's chi-square of independence of a table of counts. */
export function chiSquare(table: readonly (readonly number[])[]): number {
  const rows = table.map((row) => row.reduce((a, b) => a + b, 0));
  const columns = (table[0] ?? []).map((_, j) => table.reduce((sum, row) => sum + (row[j] ?? 0), 0));
  const total = rows.reduce((a, b) => a + b, 0);
  const cell = (i: number, j: number, count: number) => {
    const expected = ((rows[i] ?? 0) * (columns[j] ?? 0)) / total;
    return (count - expected) ** 2 / expected;
  };
  return table.flatMap((row, i) => row.map((count, j) => cell(i, j, count))).reduce((a, b) => a + b, 0);
}

/** How often two things occur together, as a table of `size` by `size`. */
export function counted(pairs: Iterable<readonly [number, number]>, size: number): number[][] {
  const table = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (const [i, j] of pairs) {
    const row = table[i];
    if (row !== undefined) row[j] = (row[j] ?? 0) + 1;
  }
  return table;
}
