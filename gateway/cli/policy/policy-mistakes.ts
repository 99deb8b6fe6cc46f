// A refused policy for people and programs: each mistake by its place, with the line it stands on.
import type { PolicyError } from '../../policy/load/load.ts';

export type PolicyMistake = {
  readonly file: string;
  /** From 1; missing when the file could not be read at all. */
  readonly line?: number;
  readonly column?: number;
  readonly path?: string;
  readonly message: string;
};

/** Characters of a long line that are shown around the mistake. */
const BEFORE = 60;
const SHOWN = 110;

/** The mistakes that an error tells, one a line of its message. */
export function mistakesIn({ message }: PolicyError, file: string): PolicyMistake[] {
  return message.split('\n').map((line) => mistakeIn(line, file));
}

function mistakeIn(text: string, file: string): PolicyMistake {
  if (!text.startsWith(`${file}:`)) return { file, message: text };
  const rest = text.slice(file.length + 1);
  const [, line, column, told = ''] = /^(\d+):(\d+) (.*)$/.exec(rest) ?? [];
  if (line === undefined) return { file, message: rest.trim() };
  const [, path, message = told] = /^(\S+): (.*)$/.exec(told) ?? [];
  return { file, line: Number(line), column: Number(column), ...(path === undefined ? {} : { path }), message };
}

/** The mistake as `file:line:column path: message`, above the line it stands on and a caret under the column. */
export function mistakeText(mistake: PolicyMistake, source: string | undefined): string {
  const { file, line, column, path, message } = mistake;
  const place = line === undefined ? file : `${file}:${line}:${column}`;
  const told = path === undefined ? message : `${path}: ${message}`;
  const shown = source === undefined || line === undefined ? '' : excerpt(source, line, column ?? 1);
  return `${place}${line === undefined ? ':' : ''} ${told}${shown}`;
}

function excerpt(source: string, line: number, column: number): string {
  // A password in a URL is one of the mistakes, and this text ends in the logs of a build.
  const whole = (source.split(/\r\n|[\n\r]/)[line - 1] ?? '').replace(/(:\/\/)[^/@\s]*@/g, '$1***@');
  const cut = Math.max(0, column - 1 - BEFORE);
  // One character each, so that the caret stays under its column, and none that a terminal would obey.
  const part = whole.slice(cut, cut + SHOWN).replaceAll(/\p{Cc}/gu, ' ');
  const number = String(line).padStart(5);
  return `\n${number} | ${part}\n${' '.repeat(number.length)} | ${' '.repeat(column - 1 - cut)}^`;
}
