// JSON as model servers write it: bare NaN and Infinity (Triton, TensorFlow Serving), and integers of 64 bits.

import { BeyondBounds } from './beyond-bounds.ts';

/** A value of JSON; an integer that a double cannot hold is a bigint. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [key: string]: Json };

/** Levels of nesting; beyond, a text is hostile. */
const MAX_DEPTH = 64;

/** Parses JSON and the three tokens. Throws SyntaxError, or BeyondBounds. Integers beyond 2^53 lose digits: see `parseExactly`. */
export function parseLeniently(text: string): Json {
  try {
    return guardDepth(JSON.parse(text) as Json, 0);
  } catch (error) {
    // The usual text has neither token, and then the native parser's word is final.
    if (!text.includes('NaN') && !text.includes('Infinity')) throw error;
    return parseExactly(text);
  }
}

/** Parses JSON and the three tokens with every digit of every integer, several times slower. Throws SyntaxError, or BeyondBounds. */
export function parseExactly(text: string): Json {
  const reader = new Reader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

function guardDepth(value: Json, depth: number): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (depth === MAX_DEPTH) throw tooDeep();
  // The elements of an array of numbers are not worth a call each, and models answer with little else.
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === 'object') guardDepth(item, depth + 1);
  } else for (const key in value) guardDepth((value as Readonly<Record<string, Json>>)[key] ?? null, depth + 1);
  return value;
}

function tooDeep(): BeyondBounds {
  return new BeyondBounds(`nests deeper than ${MAX_DEPTH} levels`);
}

const TOKENS: readonly (readonly [string, Json])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
];
const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) throw tooDeep();
    this.#match(SPACE);
    const value = this.#one(depth);
    this.#match(SPACE);
    return value;
  }

  end(): void {
    if (this.#at < this.#text.length) throw this.#unexpected();
  }

  #one(depth: number): Json {
    const first = this.#text[this.#at];
    if (first === '[') return this.#array(depth);
    if (first === '{') return this.#object(depth);
    if (first === '"') return this.#string();
    for (const [token, value] of TOKENS) if (this.#skip(token)) return value;
    return this.#number();
  }

  #array(depth: number): Json {
    const items: Json[] = [];
    this.#at++;
    this.#match(SPACE);
    if (this.#skip(']')) return items;
    do items.push(this.value(depth + 1));
    while (this.#skip(','));
    this.#expect(']');
    return items;
  }

  #object(depth: number): Json {
    const entries: [string, Json][] = [];
    this.#at++;
    this.#match(SPACE);
    if (this.#skip('}')) return {};
    do {
      this.#match(SPACE);
      const key = this.#string();
      this.#match(SPACE);
      this.#expect(':');
      entries.push([key, this.value(depth + 1)]);
    } while (this.#skip(','));
    this.#expect('}');
    return Object.fromEntries(entries); // defines, so that a __proto__ stays a key
  }

  #string(): string {
    if (this.#text[this.#at] !== '"') throw this.#unexpected();
    let end = this.#at + 1;
    // A loop: a regular expression would overflow its stack on a string of megabytes.
    while (end < this.#text.length && this.#text[end] !== '"') end += this.#text[end] === '\\' ? 2 : 1;
    const quoted = this.#text.slice(this.#at, end + 1);
    this.#at = end + 1;
    return JSON.parse(quoted);
  }

  #number(): Json {
    NUMBER.lastIndex = this.#at;
    const found = NUMBER.exec(this.#text);
    if (found === null) throw this.#unexpected();
    const [digits, fraction, exponent] = found;
    this.#at += digits.length;
    const number = Number(digits);
    const isInteger = fraction === undefined && exponent === undefined;
    return isInteger && !Number.isSafeInteger(number) ? BigInt(digits) : number;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #skip(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  #expect(token: string): void {
    if (!this.#skip(token)) throw this.#unexpected();
  }

  #unexpected(): SyntaxError {
    return new SyntaxError(`unexpected text at ${this.#at}`);
  }
}
