// The few values of bodies that may be kept, for people to look at: listed by path, sampled, redacted, short. Nothing else
// of a body is ever stored.
import { createHash } from 'node:crypto';
import { type Json, readJson } from '../../model-server/protocol/json.ts';
import { COMPARISON } from '../../model-server/protocol/readers.ts';
import type { Pair, Side } from '../flow.ts';
import { isSecretField } from '../policy/secrets.ts';
import type { KeepSpec } from './spec.ts';

/** Values by path; of binary answers only what their JSON part holds. */
export type KeptValues = Readonly<Record<string, readonly Json[]>>;

/** What is kept of one pair. */
export type Kept = {
  readonly baseline: KeptValues;
  readonly candidate: KeptValues;
  readonly request: KeptValues;
};

const MAX_VALUES = 256;
const MAX_TEXT = 256;
const REDACTED = '[redacted]';

/** What is kept of a pair: undefined when the sample leaves it out. A pair is in the sample by its id, on every replica. */
export function keep(pair: Pair, spec: KeepSpec): Kept | undefined {
  const draw = createHash('sha256').update(`keep:${pair.id}`).digest().readUInt32BE() / 2 ** 32;
  if (draw >= spec.sample) return undefined;
  return {
    baseline: valuesIn(pair.baseline, spec.fields),
    candidate: valuesIn(pair.candidate, spec.fields),
    request: pair.request === undefined ? {} : valuesIn(pair.request, spec.requestFields),
  };
}

function valuesIn({ body, headerLength }: Pick<Side, 'body' | 'headerLength'>, paths: readonly string[]): KeptValues {
  try {
    const value = readJson(body.toString('utf8', 0, headerLength ?? body.length), COMPARISON);
    return Object.fromEntries(paths.map((path) => [path, valuesAt(value, path.split('.'))]));
  } catch {
    return {}; // no JSON: the comparison says that it is unreadable
  }
}

function valuesAt(value: Json, path: readonly string[]): Json[] {
  if (path.some(isSecretField)) return [REDACTED];
  let found: readonly Json[] = [value];
  for (const step of path) found = found.flatMap((inner) => stepInto(inner, step)).slice(0, MAX_VALUES);
  return found.map(redact);
}

function stepInto(value: Json, step: string): readonly Json[] {
  if (typeof value !== 'object' || value === null) return [];
  if (step === '*') return Object.values(value).slice(0, MAX_VALUES);
  return Object.hasOwn(value, step) ? [Reflect.get(value, step)] : [];
}

/** Mail addresses, bearer tokens, and runs of digits as long as a phone, card or account number. */
const SECRET_TEXT = /[^\s@"]+@[^\s@"]+\.[^\s@"]+|bearer\s+\S+|eyJ[\w-]{8,}[\w.-]*|\d(?:[ -]?\d){8,}/gi;

/** A whole number has as many digits from here on: an account's number is no less one without quotes. */
const SECRET_NUMBER = 1e8;

/** A value without what looks like a secret or names a person, and cut short. */
export function redact(value: Json): Json {
  if (typeof value === 'string') return value.slice(0, MAX_TEXT).replace(SECRET_TEXT, REDACTED);
  if (typeof value === 'bigint') return REDACTED; // a double cannot hold it, so it has 16 digits or more
  if (Number.isInteger(value) && Math.abs(Number(value)) >= SECRET_NUMBER) return REDACTED;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.slice(0, MAX_VALUES).map(redact);
  const entries = Object.entries(value).slice(0, MAX_VALUES);
  return Object.fromEntries(entries.map(([key, inner]) => [key, isSecretField(key) ? REDACTED : redact(inner)]));
}
