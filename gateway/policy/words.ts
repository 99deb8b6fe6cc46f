// zod's own messages, in words for the person who edits the file. A message that the schema brings itself comes first.
import type { z } from 'zod';
import { didYouMean } from './suggest.ts';

/** What is wrong with a value, where the schema has no sentence of its own for it. */
export const inWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${KINDS[issue.expected] ?? issue.expected}`;
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
