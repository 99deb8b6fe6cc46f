import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { badRequest, messageOf } from './errors.ts';

const MAX_DEPTH = 64;
// Below this size even a body of nothing but brackets costs no more than an honest one.
const DEPTH_CHECKED_FROM = 64 * 1024;

/** Parses a request body, with the bare `NaN`, `Infinity` and `-Infinity` that Triton and TensorFlow Serving allow. */
export function parseJson(body: unknown): unknown {
  if (!Buffer.isBuffer(body) || body.length === 0) {
    throw badRequest('the request has no body: send a JSON object');
  }
  if (!isUtf8(body)) {
    throw badRequest('the body is not valid UTF-8');
  }
  const text = body.toString('utf8');
  const mayHoldTokens = spellsToken(text);
  if ((mayHoldTokens || body.length > DEPTH_CHECKED_FROM) && isTooDeep(text)) {
    throw badRequest(`the body nests deeper than ${MAX_DEPTH} levels`);
  }
  if (mayHoldTokens) {
    try {
      return withNumbers(JSON.parse(withMarkers(text)));
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

// A string that no caller can know stands for each token while JSON.parse runs, and never leaves this file.
const SECRET = randomBytes(8).toString('hex');
const TOKENS = [
  { token: '-Infinity', marker: `${SECRET}-`, number: Number.NEGATIVE_INFINITY },
  { token: 'Infinity', marker: `${SECRET}+`, number: Number.POSITIVE_INFINITY },
  { token: 'NaN', marker: `${SECRET}?`, number: Number.NaN },
] as const;
const MARKER_LENGTH = SECRET.length + 1;
const NUMBERS: ReadonlyMap<string, number> = new Map(TOKENS.map(({ marker, number }) => [marker, number]));

/** The text with a marker in place of each token; only strings that spell one are cut out and kept. */
function withMarkers(text: string): string {
  const parts: string[] = [];
  let from = 0;
  let end = 0;
  for (let start = text.indexOf('"'); start >= 0; start = text.indexOf('"', end)) {
    end = endOfString(text, start);
    if (end - start >= '"NaN"'.length && spellsToken(text.slice(start, end))) {
      parts.push(markTokens(text.slice(from, start)), text.slice(start, end));
      from = end;
    }
  }
  parts.push(markTokens(text.slice(from)));
  return parts.join('');
}

function spellsToken(text: string): boolean {
  return text.includes('NaN') || text.includes('Infinity');
}

function markTokens(text: string): string {
  // Measured: with millions of tokens, replaceAll takes five times as long.
  return TOKENS.reduce((marked, { token, marker }) => marked.split(token).join(`"${marker}"`), text);
}

/** Puts the numbers where their markers stand, in place: a reviver would cost several times as much. */
function withNumbers(value: unknown): unknown {
  if (typeof value === 'string') {
    return isMarker(value) ? NUMBERS.get(value) : value;
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
      if (isMarker(name)) {
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

function isMarker(text: string): boolean {
  return text.length === MARKER_LENGTH && NUMBERS.has(text);
}

function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      at = endOfString(text, at) - 1;
    } else if (code === 0x5b || code === 0x7b) {
      depth++;
      if (depth > MAX_DEPTH) {
        return true;
      }
    } else if (code === 0x5d || code === 0x7d) {
      depth--;
    }
  }
  return false;
}

/** Where the string that starts with the quote at `start` is over. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== 0x22) {
    at += text.charCodeAt(at) === 0x5c ? 2 : 1;
  }
  return at + 1;
}
