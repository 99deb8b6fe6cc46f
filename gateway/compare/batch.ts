// What leaves the process that compares: records as the bytes in which they are stored, and what they add to the sums.
import type { Pair } from '../flow.ts';
import { isKey, keyOf, partsOf, type Sums } from '../statistics/sums.ts';
import { compare } from './compare.ts';
import type { Comparison } from './comparison.ts';
import { keep } from './keep.ts';
import { type CompareSpec, type KeepSpec, shadowKey } from './spec.ts';
import { tally } from './tally.ts';

/** Whose sums they are: one shadow between two versions. Another candidate under the same name starts anew. */
export type Subject = {
  readonly model: string;
  readonly shadow: string;
  readonly baseline: string;
  readonly candidate: string;
};

/** What comparisons of one minute add to the sums of one subject. */
export type SumsDelta = { readonly subject: Subject; readonly minute: number; readonly sums: Sums };

/** Values kept of one comparison, as text. */
export type KeptText = { readonly id: string; readonly text: string; readonly ttlMs: number };

/** JSON lines, each with its end, and how many there are: thousands of texts would keep the collector busy. */
export type Lines = { readonly bytes: Uint8Array<ArrayBuffer>; readonly count: number };

/** Comparisons to store. */
export type ComparisonBatch = {
  /** One JSON line a comparison. */
  readonly records: Lines;
  readonly deltas: readonly SumsDelta[];
  readonly kept: readonly KeptText[];
};

export const MINUTE_MS = 60_000;

const MAX_CELLS = 64;
const MAX_KEPT_LENGTH = 64 * 1024;

/** What stands in for a shadow whose policy says nothing about comparing: every value, every digit. */
const EXACTLY: CompareSpec = { as: 'exact' };

/** Compares pairs, each by its shadow's spec. Never throws. */
export function compareBatch(pairs: readonly Pair[], specs: ReadonlyMap<string, CompareSpec>): ComparisonBatch {
  const records: string[] = [];
  const kept: KeptText[] = [];
  const deltas = new Deltas();
  for (const pair of pairs) {
    const spec = specs.get(shadowKey(pair.model, pair.shadow)) ?? EXACTLY;
    const comparison = compare(pair, spec);
    records.push(recordOf(comparison));
    deltas.add(comparison);
    if (spec.keep !== undefined) kept.push(...keptOf(pair, spec.keep));
  }
  return { records: linesOf(records), deltas: deltas.list(), kept };
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** Texts without line ends inside, as lines. */
export function linesOf(texts: readonly string[]): Lines {
  return { bytes: ENCODER.encode(texts.map((text) => `${text}\n`).join('')), count: texts.length };
}

/** The texts of lines. */
export function textsIn({ bytes }: Lines): string[] {
  const texts = DECODER.decode(bytes).split('\n');
  texts.pop();
  return texts;
}

/** A comparison as it is stored. Of a batch with many rows the first cells: the sums have all of them. */
function recordOf(comparison: Comparison): string {
  const isShort = comparison.fields.every((field) => field.as !== 'classification' || field.cells.length <= MAX_CELLS);
  if (isShort) return JSON.stringify(comparison);
  const fields = comparison.fields.map((field) =>
    field.as === 'classification' ? { ...field, cells: field.cells.slice(0, MAX_CELLS) } : field,
  );
  return JSON.stringify({ ...comparison, fields });
}

function keptOf(pair: Pair, spec: KeepSpec): KeptText[] {
  const values = keep(pair, spec);
  const text = JSON.stringify(values);
  return values === undefined || text.length > MAX_KEPT_LENGTH ? [] : [{ id: pair.id, text, ttlMs: spec.ttlMs }];
}

/** Collects what comparisons add, by subject and minute. */
export class Deltas {
  readonly #deltas = new Map<string, { subject: Subject; minute: number; sums: Map<string, number> }>();

  add(comparison: Comparison): void {
    const { model, shadow, at } = comparison;
    const [baseline, candidate] = [comparison.baseline.version, comparison.candidate.version];
    const minute = Math.floor(at / MINUTE_MS);
    const key = `${minute}/${model}/${shadow}/${baseline}/${candidate}`;
    let delta = this.#deltas.get(key);
    if (delta === undefined) {
      delta = { subject: { model, shadow, baseline, candidate }, minute, sums: new Map() };
      this.#deltas.set(key, delta);
    }
    tally(comparison, delta.sums);
  }

  list(): readonly SumsDelta[] {
    return [...this.#deltas.values()];
  }
}

/** A subject as one word. */
export function subjectKey({ model, shadow, baseline, candidate }: Subject): string {
  return keyOf(model, shadow, baseline, candidate);
}

/** Whether a word names a subject. */
export function isSubjectKey(key: string): boolean {
  return isKey(key) && key.split('/').length === 4;
}

/** The subject that a word names. */
export function subjectOf(key: string): Subject {
  const [model = '', shadow = '', baseline = '', candidate = ''] = partsOf(key);
  return { model, shadow, baseline, candidate };
}
