import type { Json } from '../../../model-server/protocol/json.ts';
import type { FieldComparison, JsonDifference } from '../comparison.ts';
import { isSameScalar } from '../scalar.ts';
import type { CompareSpec } from '../spec.ts';

/** Differing fields of one pair; further ones are not told. */
const MAX_FIELDS = 64;
const MAX_FIELD_LENGTH = 128;
/** Values looked at in one pair. */
const MAX_VALUES = 100_000;

/**
 * JSON, structure and values. The fields that differ, each by its path with `*` for every index, or none when all is the
 * same. Numbers are the same within the tolerance (default 0). `spec.fields` limits what is looked at.
 */
export function compareJson(
  baseline: Json,
  candidate: Json,
  spec: Pick<CompareSpec, 'tolerance' | 'fields'>,
): FieldComparison[] {
  const walk = new Walk(
    spec.tolerance ?? 0,
    (spec.fields ?? []).map((field) => field.split('.')),
  );
  walk.compare(baseline, candidate, []);
  return walk.found();
}

class Walk {
  readonly #tolerance: number;
  readonly #wanted: readonly (readonly string[])[];
  readonly #found = new Map<string, { difference: JsonDifference; count: number; distance: number }>();
  #values = 0;

  constructor(tolerance: number, wanted: readonly (readonly string[])[]) {
    this.#tolerance = tolerance;
    this.#wanted = wanted;
  }

  found(): FieldComparison[] {
    return [...this.#found].map(([field, seen]) => ({ field, same: false, as: 'json', ...seen }));
  }

  compare(a: Json | undefined, b: Json | undefined, path: readonly string[]): void {
    if (a === b || this.#values++ > MAX_VALUES || !this.#isWanted(path)) return;
    if (a === undefined) this.#note(path, 'extra', 1);
    else if (b === undefined) this.#note(path, 'missing', 1);
    else if (typeOf(a) !== typeOf(b)) this.#note(path, 'type', 1);
    else if (isArray(a) && isArray(b)) this.#arrays(a, b, path);
    else if (isRecord(a) && isRecord(b)) this.#records(a, b, path);
    else this.#scalars(a, b, path);
  }

  #scalars(a: Json, b: Json, path: readonly string[]): void {
    if (isSameScalar(a, b)) return;
    const delta = isNumber(a) && isNumber(b) ? distanceOf(a, b) : Number.NaN;
    if (!(delta <= this.#tolerance)) this.#note(path, 'value', Number.isFinite(delta) ? delta : 1);
  }

  #arrays(a: readonly Json[], b: readonly Json[], path: readonly string[]): void {
    if (a.length === b.length && isReordered(a, b)) {
      this.#note(path, 'order', 1);
      return;
    }
    if (a.length !== b.length) this.#note(path, 'length', Math.abs(a.length - b.length));
    const inner = [...path, '*'];
    for (let i = 0; i < Math.min(a.length, b.length); i++) this.compare(a[i], b[i], inner);
  }

  #records(a: JsonRecord, b: JsonRecord, path: readonly string[]): void {
    for (const key of Object.keys(a)) this.compare(a[key], Object.hasOwn(b, key) ? b[key] : undefined, [...path, key]);
    for (const key of Object.keys(b)) if (!Object.hasOwn(a, key)) this.compare(undefined, b[key], [...path, key]);
  }

  #note(path: readonly string[], difference: JsonDifference, distance: number): void {
    const field = path.join('.').slice(0, MAX_FIELD_LENGTH);
    const seen = this.#found.get(field);
    if (seen !== undefined) {
      seen.count++;
      seen.distance = Math.max(seen.distance, distance);
    } else if (this.#found.size < MAX_FIELDS) this.#found.set(field, { difference, count: 1, distance });
  }

  /** Whether a path leads to a wanted field, or lies below one. */
  #isWanted(path: readonly string[]): boolean {
    if (this.#wanted.length === 0) return true;
    return this.#wanted.some((wanted) => path.every((step, i) => i >= wanted.length || fits(wanted[i], step)));
  }
}

function fits(wanted: string | undefined, step: string): boolean {
  return wanted === '*' || wanted === step || (step === '*' && /^\d+$/.test(wanted ?? ''));
}

function isNumber(value: Json): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function distanceOf(a: number | bigint, b: number | bigint): number {
  const isExact = typeof a === 'bigint' || typeof b === 'bigint';
  if (isExact && isWhole(a) && isWhole(b)) return Math.abs(Number(BigInt(b) - BigInt(a)));
  return Math.abs(Number(b) - Number(a));
}

function isWhole(value: number | bigint): boolean {
  return typeof value === 'bigint' || Number.isInteger(value);
}

type JsonRecord = { readonly [key: string]: Json };

function isRecord(value: Json): value is JsonRecord {
  return typeOf(value) === 'object';
}

function typeOf(value: Json): string {
  if (value === null || isArray(value)) return value === null ? 'null' : 'array';
  return isNumber(value) ? 'number' : typeof value;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

/** Whether two lists of scalars hold the same in another order. */
function isReordered(a: readonly Json[], b: readonly Json[]): boolean {
  const isScalar = (value: Json) => typeof value !== 'object';
  if (!a.every(isScalar) || !b.every(isScalar) || a.every((value, i) => isSameScalar(value, b[i]))) return false;
  const counts = new Map<Json, number>();
  for (const value of a) counts.set(value, (counts.get(value) ?? 0) + 1);
  for (const value of b) {
    const left = counts.get(value) ?? 0;
    if (left === 0) return false;
    counts.set(value, left - 1);
  }
  return true;
}
