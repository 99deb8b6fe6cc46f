// JSON that people give to commands, with every digit of its numbers.
import { readJson } from '../../../model-server/protocol/json.ts';
import { EXACT } from '../../../model-server/protocol/readers.ts';
import { writtenAt } from '../../decide/written-at.ts';

/** Parses JSON; integers that a double cannot hold are bigints. Throws SyntaxError, or BeyondBounds. */
export function parseWhole(text: string): unknown {
  return readJson(text, EXACT);
}

/** A part of good JSON, as it is written but for the white space around its tokens; undefined when it is not there. */
export function partOf(text: string, key: string): string | undefined {
  const part = writtenAt(Buffer.from(text), [key]);
  return part === undefined ? undefined : compact(part);
}

function compact(json: string): string {
  const kept: string[] = [];
  for (let at = 0; at < json.length; ) {
    const start = at;
    // Loops: a regular expression would overflow its stack on a text of megabytes.
    if (json[at] === '"') {
      for (at++; at < json.length && json[at] !== '"'; at++) if (json[at] === '\\') at++;
      at++;
    } else while (at < json.length && json[at] !== '"' && !isSpace(json[at])) at++;
    kept.push(json.slice(start, at));
    while (at < json.length && isSpace(json[at])) at++;
  }
  return kept.join('');
}

function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\n' || character === '\r' || character === '\t';
}
