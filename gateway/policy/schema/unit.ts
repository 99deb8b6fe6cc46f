import { z } from 'zod';

/** What sorts callers into buckets. */
export const unit = z
  .string()
  .regex(
    /^(random|header [A-Za-z0-9-]{1,64}|body [^.\s]{1,64}(\.[^.\s]{1,64}){0,7})$/,
    'expected "random", "header <name>" or "body <path>", such as "header x-user-id"',
  )
  .meta({
    title: 'unit',
    description:
      'What sorts callers: `header <name>` or `body <path>` keeps a caller on one version, `random` does not. An id is the same unit as a number and as a text, with every digit; the numbers 1, 1.0 and 1e0 are the unit 1, the text "1.0" is another.',
  });

export const withoutUnit = z
  .union(
    [z.enum(['random', 'reject']), z.strictObject({ key: z.string().min(1).max(128) })],
    'expected "random", "reject" or { key: name }',
  )
  .meta({ title: 'random, reject or { key: text }' })
  .default('random')
  .describe('A request without the unit: drawn at random, rejected with 400, or sorted by a key of your choice.');
