// Reads a document that may be damaged or another's: it keeps what has the right shape, and reports the place of the rest.
import type { z } from 'zod';

/** Reports something wrong, with its place in the document. */
export type Say = (problem: string) => void;

/** Makes of a JSON value what of it is good; of text that is no JSON the value is undefined. */
export type Reader<T> = (value: unknown, say: Say, text: string) => T;

/** The value in JSON text; undefined, which is reported, when it is none. Never throws. */
export function valueIn(text: string, say: Say): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    say(text.trim() === '' ? 'it is empty' : `it is no JSON: ${(error as Error).message.slice(0, 200)}`);
    return undefined;
  }
}

/** The value when it has the shape; undefined, which is reported, when it has not. */
export function shaped<T>(schema: z.ZodType<T>, value: unknown, place: string, say: Say): T | undefined {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  const where = [place, ...(issue?.path ?? [])].filter((part) => part !== '').join('.');
  say(`${where || 'document'}: ${issue?.message ?? 'another shape'}`);
  return undefined;
}

/** The good entries of a list. */
export function listIn<T>(schema: z.ZodType<T>, value: unknown, place: string, say: Say): T[] {
  if (!Array.isArray(value)) {
    say(`${place || 'document'}: expected a list, got ${kindOf(value)}`);
    return [];
  }
  return value.flatMap((each, i) => {
    const good = shaped(schema, each, place === '' ? String(i) : `${place}.${i}`, say);
    return good === undefined ? [] : [good];
  });
}

/** The good entries of an object, by their names. */
export function entriesIn<T>(schema: z.ZodType<T>, value: unknown, place: string, say: Say): (readonly [string, T])[] {
  if (!isObject(value)) {
    say(`${place || 'document'}: expected an object, got ${kindOf(value)}`);
    return [];
  }
  return Object.entries(value).flatMap(([name, each]) => {
    const good = shaped(schema, each, place === '' ? name : `${place}.${name}`, say);
    return good === undefined ? [] : [[name, good] as const];
  });
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'a list' : value === undefined ? 'nothing' : `a ${typeof value}`;
}
