// zod's own messages, in words for the person who edits the file. A message that the schema brings itself comes first.
import type { z } from 'zod';
import { didYouMean } from './suggest.ts';

/** What is wrong with a value, where the schema has no sentence of its own for it. */
export const inWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${KINDS[issue.expected] ?? issue.expected}${hint(issue.expected, issue.input)}`;
    case 'invalid_value': {
      const words = issue.values.map(String);
      return `expected ${listed(words)}${typeof issue.input === 'string' ? didYouMean(issue.input, words) : ''}`;
    }
    case 'too_small':
      return `expected ${issue.inclusive === false ? 'more than' : 'at least'} ${counted(issue.minimum, issue.origin)}`;
    case 'too_big':
      return `expected ${issue.inclusive === false ? 'less than' : 'at most'} ${counted(issue.maximum, issue.origin)}`;
    default:
      return undefined;
  }
};

/** What is said of a value that must be a text; the characters that it was written in are not known here. */
export const EXPECTED_TEXT = 'expected a text';

/** How what was written becomes what was meant, where that can be told. */
function hint(expected: string, input: unknown): string {
  if (expected === 'array' && typeof input === 'string' && input !== '' && input.length <= LONGEST_SHOWN)
    return `; put brackets around it: [${input}]`;
  if (expected === 'array' && typeof input === 'object' && input !== null)
    return ', also of one: put brackets around it';
  if ((expected === 'record' || expected === 'object') && Array.isArray(input)) return ', and no list';
  return '';
}

const LONGEST_SHOWN = 80;

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys with values',
  record: 'names with values',
};

const COUNTED: Readonly<Record<string, string>> = { string: 'character', array: 'item' };

function counted(count: number | bigint, origin: string): string {
  const noun = COUNTED[origin];
  return noun === undefined ? `${count}` : `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
