// Reads JSON as callers and servers of the protocol write it: with bare NaN and Infinity, and with integers of 64 bits.

/** A value of JSON. Of an exact reading, an integer that a double cannot hold is a bigint. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [key: string]: Json };

/** In what readings of JSON may differ. `readers.ts` names every reader. */
export type JsonRules = {
  /** Most lists and objects within one another. */
  readonly depth: number;
  /**
   * Most bytes that the values may take in memory. Where it is given, both bounds are looked at in texts of more than 64 Ki
   * characters alone, and in those with tokens.
   */
  readonly memory?: number;
  /** Whether integers beyond 2^53 keep every digit; a reading that does not round them takes one more look at the text. */
  readonly exact?: boolean;
  /** What the tokens NaN, Infinity and -Infinity are read as. */
  readonly tokens: 'number' | 'null';
};

/** Thrown for a text that may be sound, but is beyond the reader's bounds. */
export class BeyondBounds extends Error {
  readonly bound: 'depth' | 'memory' | 'other';

  constructor(message: string, bound: BeyondBounds['bound'] = 'other') {
    super(message);
    this.bound = bound;
  }
}

/**
 * Reads JSON, with the tokens NaN, Infinity and -Infinity that Triton, TensorFlow Serving and Python write. Throws SyntaxError,
 * whose message is about the text as it was given, or BeyondBounds.
 */
export function readJson(text: string, rules: JsonRules): Json {
  const hasTokens = text.includes('NaN') || text.includes('Infinity');
  const isMarked = hasTokens || (rules.exact === true && LONG_DIGITS.test(text));
  checkBounds(text, rules, isMarked);
  if (isMarked)
    try {
      const value = JSON.parse(withMarks(text, rules)) as Json;
      return standIn(rules) ? withNumbers(value) : value;
    } catch {
      // The text itself is no JSON either: the reason that its own parsing gives shows no mark.
    }
  return JSON.parse(text) as Json;
}

/** Whether strings stand in for numbers while a text is parsed; `null` needs none. */
function standIn({ exact = false, tokens }: JsonRules): boolean {
  return exact || tokens === 'number';
}

/** Says whether a parsed value is a JSON object. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Below this length even a text of nothing but brackets takes no more memory than an honest one. */
const FREE_LENGTH = 64 * 1024;
/** Texts of its own size that reading makes: the text itself; with marks also its parts, and then the marked text. */
const COPIES = { plain: 1, marked: 8 };
/** Bytes that a value takes in memory, by the character that it takes in the text; measured on Node 20 to 26. */
const BYTES = { opening: 64, name: 48, comma: 8, string: 24 };
const MEBIBYTE = 1024 * 1024;

/** Looks at a text before anything is built: V8 ends the whole process when it runs out of memory. */
function checkBounds(text: string, { depth, memory }: JsonRules, isMarked: boolean): void {
  if (memory === undefined) {
    // Most texts have fewer brackets than levels are allowed: searching them costs a hundredth of a look at every character.
    if (hasMore(text, depth) && isDeeper(text, depth)) throw tooDeep(depth);
    return;
  }
  if (text.length <= FREE_LENGTH && !isMarked) return;
  const unfolded = measure(text);
  if (unfolded.depth > depth) throw tooDeep(depth);
  const needed = unfolded.bytes + (isMarked ? COPIES.marked : COPIES.plain) * text.length;
  if (needed <= memory) return;
  const sizes = `${Math.ceil(needed / MEBIBYTE)} MiB, and the limit is ${Math.floor(memory / MEBIBYTE)} MiB`;
  throw new BeyondBounds(`JSON would take about ${sizes}`, 'memory');
}

function tooDeep(depth: number): BeyondBounds {
  return new BeyondBounds(`nests deeper than ${depth} levels`, 'depth');
}

/** Whether a text holds more opening brackets than that, whatever they are within. */
function hasMore(text: string, brackets: number): boolean {
  let found = 0;
  for (const bracket of ['[', '{'])
    for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1))
      if (++found > brackets) return true;
  return false;
}

function isDeeper(text: string, most: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // Numbers first: they are most of the text where there are many brackets.
    if (code < OPEN_LIST) {
      if (code === QUOTE) at = endOfString(text, at) - 1;
    } else if (code === OPEN_LIST || code === OPEN_OBJECT) {
      if (++depth > most) return true;
    } else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--;
  }
  return false;
}

function measure(text: string): { readonly depth: number; readonly bytes: number } {
  let [depth, deepest, bytes] = [0, 0, 0];
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at) - 1;
      bytes += BYTES.string;
    } else if (code === COMMA) bytes += BYTES.comma;
    else if (code === COLON) bytes += BYTES.name;
    else if (code === OPEN_LIST || code === OPEN_OBJECT) {
      bytes += BYTES.opening;
      if (++depth > deepest) deepest = depth;
    } else if (code === CLOSE_LIST || code === CLOSE_OBJECT) depth--;
  }
  return { depth: deepest, bytes };
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Where the string that starts with the quote at `start` is over; beyond the text when it is never closed. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE) at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at + 1;
}

/**
 * JSON.parse is many times as fast as a parser of our own, so a string stands for each number that it cannot read: this
 * character, which may be any of JSON's, and what it is. A string of the text that starts with it as well gets another one.
 */
const MARK = '\x7f';
const NUMBERS: ReadonlyMap<string, number> = new Map([
  [`${MARK}?`, Number.NaN],
  [`${MARK}-`, Number.NEGATIVE_INFINITY],
  [`${MARK}+`, Number.POSITIVE_INFINITY],
]);
/** What begins with the mark, also escaped. */
const LIKE_MARK = /^"(?:\x7f|\\u007[fF])/;
/** As many digits as a double may lose one of. */
const LONG_DIGITS = /\d{16}/;
// Whole numbers only, and none that begins with a zero: JSON has no such number.
const LONG_INTEGER = /(?<![\d.eE+-])-?[1-9]\d{15,}(?![\d.eE])/g;
const LIKE_NUMBER = /NaN|Infinity|\d{16}/;
const SHORTEST_LIKE_NUMBER = '"NaN"'.length;

/** The text with a mark in place of each such number. Only strings that look like one, or like a mark, are cut out. */
function withMarks(text: string, rules: JsonRules): string {
  const parts: string[] = [];
  let from = 0;
  let end = 0;
  for (let start = text.indexOf('"'); start >= 0; start = text.indexOf('"', end)) {
    end = endOfString(text, start);
    const isLikeMark = standIn(rules) && LIKE_MARK.test(text.slice(start, start + '"\\u007f'.length));
    const isLikeNumber = end - start >= SHORTEST_LIKE_NUMBER && LIKE_NUMBER.test(text.slice(start, end));
    if (!isLikeMark && !isLikeNumber) continue;
    const string = text.slice(start, end);
    parts.push(marked(text.slice(from, start), rules), isLikeMark ? `"${MARK}${string.slice(1)}` : string);
    from = end;
  }
  parts.push(marked(text.slice(from), rules));
  return parts.join('');
}

/** A text without strings, marked. */
function marked(text: string, { exact = false, tokens }: JsonRules): string {
  // Digits first: they stay outside of strings that way.
  const whole = exact ? text.replace(LONG_INTEGER, `"${MARK}#$&"`) : text;
  const [nan, minus, plus] = tokens === 'null' ? ['null', 'null', 'null'] : ['?', '-', '+'].map((m) => `"${MARK}${m}"`);
  return swap(swap(swap(whole, '-Infinity', minus), 'Infinity', plus), 'NaN', nan);
}

function swap(text: string, token: string, mark = ''): string {
  // Measured: with millions of tokens, replaceAll takes five times as long.
  return text.includes(token) ? text.split(token).join(mark) : text;
}

/** Puts the numbers where their marks stand, in place: a reviver would cost several times as much. */
function withNumbers(value: Json): Json {
  if (typeof value === 'string') return value.startsWith(MARK) ? unmarked(value) : value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item = value[i] as Json;
      if (typeof item !== 'number') value[i] = withNumbers(item);
    }
    return value;
  }
  return typeof value === 'object' && value !== null ? withNumbersIn(value as Record<string, Json>) : value;
}

function withNumbersIn(fields: Record<string, Json>): Json {
  let hasMark = false;
  for (const name in fields) {
    const field = fields[name] as Json;
    if (typeof field !== 'number') fields[name] = withNumbers(field);
    hasMark ||= name.startsWith(MARK);
  }
  return hasMark ? Object.fromEntries(Object.entries(fields).map(([name, field]) => [nameOf(name), field])) : fields;
}

function nameOf(name: string): string {
  const unmarkedName = name.startsWith(MARK) ? unmarked(name) : name;
  if (typeof unmarkedName !== 'string') throw new SyntaxError('a name without quotes');
  return unmarkedName;
}

function unmarked(text: string): string | number | bigint {
  if (text.startsWith(MARK, 1)) return text.slice(1);
  if (!text.startsWith('#', 1)) return NUMBERS.get(text) ?? Number.NaN;
  const number = Number(text.slice(2));
  return Number.isSafeInteger(number) ? number : BigInt(text.slice(2));
}
