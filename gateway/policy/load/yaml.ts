// YAML, read strictly: version 1.2, no aliases, no directives, no duplicate keys, and warnings are mistakes.
import {
  type Document,
  type ErrorCode,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import type { Mistake, Unusual } from '../mistakes.ts';
import { tooDeepAt } from './nesting.ts';

export type YamlFile = {
  readonly value: unknown;
  readonly problems: readonly Mistake[];
  /** Numbers and truth values that stand in the text in other characters than their value's. */
  readonly unusual: readonly Unusual[];
  /** Line and column, both from 1, of a mistake, and what stands in that line. */
  readonly position: (mistake: Mistake) => { readonly line: number; readonly column: number; readonly text: string };
};

/** Parses YAML text. Never throws: what is wrong with it is in `problems`, and then `value` is undefined. */
export function parseYaml(text: string): YamlFile {
  try {
    return parsed(text);
  } catch (error) {
    // A stack that ran out, say: what the guard against nesting does not know of.
    const problems = [{ path: [], message: `the parser cannot read it: ${(error as Error).message}` }];
    return { problems, value: undefined, unusual: [], position: () => ({ line: 1, column: 1, text: '' }) };
  }
}

function parsed(text: string): YamlFile {
  const lines = new LineCounter();
  const deep = tooDeepAt(text);
  const doc = parseDocument(text.slice(0, deep), {
    version: '1.2',
    schema: 'core',
    uniqueKeys: false, // looked for below: the parser compares each key with every other
    strict: true,
    stringKeys: true,
    prettyErrors: false,
    lineCounter: lines,
  });
  const problems = deep === undefined ? problemsOf(doc, text) : [{ path: [], message: 'nested too deeply', at: deep }];
  return {
    problems,
    unusual: problems.length > 0 ? [] : unusualIn(doc),
    value: problems.length > 0 ? undefined : doc.toJS({ maxAliasCount: 0 }),
    position: (mistake) => {
      const { line, col } = lines.linePos(typeof mistake.at === 'number' ? mistake.at : offsetOf(doc, mistake));
      const start = lines.lineStarts[line - 1] ?? 0;
      return { line: Math.max(line, 1), column: Math.max(col, 1), text: lineFrom(text, start) };
    },
  };
}

/** The parser's messages that speak to a programmer. */
const WORDS: Partial<Record<ErrorCode, string>> = {
  MULTIPLE_DOCS: 'a policy is one document; this file holds multiple documents',
  BLOCK_AS_IMPLICIT_KEY: 'the indentation does not fit the lines above',
  MULTILINE_IMPLICIT_KEY: 'expected `key: value`, with a space behind the colon',
  NON_STRING_KEY: 'a key must be a plain word',
};

function brokenText({ code, message, pos: [at] }: YAMLError, text: string): string {
  const start = text.lastIndexOf('\n', at - 1) + 1;
  if (/^(<{7}|={7}|>{7})/.test(lineFrom(text, start))) return 'a merge conflict that is not resolved';
  const isSecondKey = text.slice(start, at).includes(': ') && lineFrom(text, at).includes(': ');
  if (code === 'BLOCK_AS_IMPLICIT_KEY' && isSecondKey)
    return 'two keys in one line; put quotes around a text with ": " in it';
  return WORDS[code] ?? message;
}

function lineFrom(text: string, start: number): string {
  const end = text.indexOf('\n', start);
  return text.slice(start, end === -1 ? undefined : end);
}

/** A number as everyone reads it: versions of YAML disagree on 010, and few see 16 in 0x10. */
const PLAIN_NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;

function problemsOf(doc: Document, text: string): Mistake[] {
  const problems: Mistake[] = [];
  const say = (message: string, at: number) => problems.push({ path: [], message, at });
  const bareReturn = text.search(/\r(?!\n)/);
  if (bareReturn !== -1) {
    say('a carriage return alone ends no line; save the file with LF or CRLF line ends', bareReturn);
    return problems;
  }
  // One broken bracket makes an error of every token behind it: the first is the one to mend.
  const [broken] = [...doc.errors, ...doc.warnings];
  if (broken !== undefined) say(brokenText(broken, text), broken.pos[0]);
  if (text.startsWith('%')) say('YAML directives are not accepted; the file is always YAML 1.2', 0);
  const untagged = ({ tag, range }: Node) => {
    if (tag !== undefined && broken === undefined) say('tags are not accepted; write the plain value', range?.[0] ?? 0);
  };
  visit(doc, {
    Alias: (_, { range }) => {
      say('aliases are not accepted; write the value out', range?.[0] ?? 0);
      return visit.BREAK;
    },
    Seq: (_, node) => untagged(node),
    Scalar: (_, node) => {
      untagged(node);
      const { value, source, range } = node;
      if (typeof value !== 'number') return;
      const isPlain = PLAIN_NUMBER.test(source ?? '') && Number.isFinite(value);
      // A double would make another number of it.
      const isTooLong = Number.isInteger(value) && !Number.isSafeInteger(value);
      if (isPlain && !isTooLong) return;
      const what = isPlain ? 'has more digits than a number keeps' : 'is no plain decimal number';
      say(`${source} ${what}; put quotes around it if it is meant as text`, range?.[0] ?? 0);
    },
    Map: (_, node) => {
      untagged(node);
      checkKeys(node, say);
    },
  });
  const { contents } = doc;
  const isEmpty = contents === null || (isScalar(contents) && contents.value === null);
  if (problems.length === 0 && isEmpty) say('the policy is empty', 0);
  return problems;
}

function checkKeys({ items }: YAMLMap, say: (what: string, at: number) => void): void {
  const seen = new Set<unknown>();
  for (const { key } of items) {
    if (!isScalar(key)) continue;
    const at = key.range?.[0] ?? 0;
    if (seen.has(key.value)) say('Map keys must be unique', at);
    seen.add(key.value);
    if (key.value === '<<') say('merge keys are not accepted; write the values out', at);
    // JavaScript would set the prototype and lose the key before any check could see it.
    if (key.value === '__proto__') say('the name __proto__ is not accepted', at);
  }
}

function unusualIn(doc: Document): Unusual[] {
  const unusual: Unusual[] = [];
  visit(doc, {
    Scalar: (key, { value, source }, parents) => {
      if (key === 'key' || (typeof value !== 'number' && typeof value !== 'boolean') || source === String(value))
        return;
      unusual.push({ path: pathOf(key, parents), source: source ?? '', value });
    },
  });
  return unusual;
}

/** The keys and places that lead to a node. */
function pathOf(key: unknown, parents: readonly unknown[]): PropertyKey[] {
  return [...parents.slice(1), undefined].flatMap((node, i): PropertyKey[] => {
    const parent = parents[i];
    if (isPair(parent)) return [String(isScalar(parent.key) ? parent.key.value : parent.key)];
    if (!isSeq(parent)) return [];
    return [node === undefined ? Number(key) : parent.items.indexOf(node)];
  });
}

/** The offset of what a path leads to, or of the nearest parent that exists. */
function offsetOf(doc: Document, { path, at }: Mistake): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? doc.contents : doc.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    const pair = isMap(parent) ? parent.items.find((item) => isScalar(item.key) && item.key.value === key) : undefined;
    // A parent stands in for a key that is missing: its own key is where a person starts to read.
    const useKey = at === 'key' || length < path.length;
    const node = (pair !== undefined && useKey ? pair.key : doc.getIn(path.slice(0, length), true)) as Node | undefined;
    if (node?.range) return node.range[0];
  }
  return doc.contents?.range?.[0] ?? 0;
}
