import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { badRequest, messageOf } from './errors.ts';
import { endOfString, guardJson } from './json-guard.ts';

// Below this size even a body of nothing but brackets costs no more than an honest one.
const GUARDED_FROM = 64 * 1024;
/** Texts of a body's size that reading makes: the text itself; with markers also its parts, and then the marked text. */
const COPIES = { plain: 1, marked: 8 };

/** How numbers are read: `exact` keeps whole numbers beyond 2^53 as bigint, at the price of one more look at the text. */
export type JsonOptions = { readonly exact?: boolean };

/** Parses a request body, with the bare `NaN`, `Infinity` and `-Infinity` that Triton and TensorFlow Serving allow. */
export function parseJson(body: unknown, { exact = false }: JsonOptions = {}): unknown {
  if (!Buffer.isBuffer(body) || body.length === 0) {
    throw badRequest('the request has no body: send a JSON object');
  }
  if (!isUtf8(body)) {
    throw badRequest('the body is not valid UTF-8');
  }
  const text = body.toString('utf8');
  const marks = MARKS.filter(({ isIn, ofExact }) => (exact || !ofExact) && isIn(text));
  const mayHoldTokens = marks.length > 0;
  if (mayHoldTokens || body.length > GUARDED_FROM) {
    guardJson(text, mayHoldTokens ? COPIES.marked : COPIES.plain);
  }
  if (mayHoldTokens) {
    try {
      return withNumbers(JSON.parse(withMarkers(text, marks)));
    } catch {
      // The text itself is no JSON either; the reason given below shows no marker.
    }
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body is not valid JSON: ${messageOf(error)}`);
  }
}

/** Says whether a parsed value is a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// A string that no caller can know stands for each number that JSON.parse cannot read, and never leaves this file.
const SECRET = randomBytes(8).toString('hex');
const NUMBERS: ReadonlyMap<string, number> = new Map([
  [`${SECRET}?`, Number.NaN],
  [`${SECRET}-`, Number.NEGATIVE_INFINITY],
  [`${SECRET}+`, Number.POSITIVE_INFINITY],
]);
const DIGITS = `${SECRET}#`;
// Whole numbers only, and none that begins with a zero: JSON has no such number.
const LONG_INTEGER = /(?<![\d.eE+-])-?[1-9]\d{15,}(?![\d.eE])/g;

type Mark = {
  readonly ofExact: boolean;
  readonly isIn: (text: string) => boolean;
  readonly put: (text: string) => string;
};

const MARKS: readonly Mark[] = [
  {
    ofExact: true,
    isIn: (text) => /\d{16}/.test(text),
    put: (text) => text.replace(LONG_INTEGER, `"${DIGITS}$&"`),
  },
  {
    ofExact: false,
    isIn: (text) => text.includes('Infinity'),
    put: (text) => swap(swap(text, '-Infinity', `"${SECRET}-"`), 'Infinity', `"${SECRET}+"`),
  },
  { ofExact: false, isIn: (text) => text.includes('NaN'), put: (text) => swap(text, 'NaN', `"${SECRET}?"`) },
];

/** The text with a marker in place of each such number; only strings that look like one are cut out and kept. */
function withMarkers(text: string, marks: readonly Mark[]): string {
  const parts: string[] = [];
  // Digits first: a marker may hold some.
  const put = (part: string) => marks.reduce((marked, mark) => mark.put(marked), part);
  let from = 0;
  let end = 0;
  for (let start = text.indexOf('"'); start >= 0; start = text.indexOf('"', end)) {
    end = endOfString(text, start);
    const isLookalike = end - start >= '"NaN"'.length && marks.some(({ isIn }) => isIn(text.slice(start, end)));
    if (isLookalike) {
      parts.push(put(text.slice(from, start)), text.slice(start, end));
      from = end;
    }
  }
  parts.push(put(text.slice(from)));
  return parts.join('');
}

function swap(text: string, token: string, marker: string): string {
  // Measured: with millions of tokens, replaceAll takes five times as long.
  return text.split(token).join(marker);
}

/** Puts the numbers where their markers stand, in place: a reviver would cost several times as much. */
function withNumbers(value: unknown): unknown {
  if (typeof value === 'string') {
    return value.startsWith(SECRET) ? numberOf(value) : value;
  }
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const item: unknown = value[index];
      if (typeof item !== 'number') {
        value[index] = withNumbers(item);
      }
    }
  } else if (typeof value === 'object' && value !== null) {
    const fields = value as Record<string, unknown>;
    for (const name in fields) {
      if (name.startsWith(SECRET)) {
        throw new SyntaxError('a name without quotes');
      }
      const field = fields[name];
      if (typeof field !== 'number') {
        fields[name] = withNumbers(field);
      }
    }
  }
  return value;
}

function numberOf(marker: string): number | bigint | undefined {
  return marker.startsWith(DIGITS) ? BigInt(marker.slice(DIGITS.length)) : NUMBERS.get(marker);
}
