import { z } from 'zod';

/** The bounds of a number: both may be given, and then both hold. */
const bounds = {
  below: z.number().optional().describe('Holds for numbers less than this.'),
  at_least: z.number().optional().describe('Holds for numbers equal to or greater than this.'),
};

type Bounds = { below?: number | undefined; at_least?: number | undefined };
const isPossible = ({ below, at_least }: Bounds) => below === undefined || at_least === undefined || at_least < below;
const IMPOSSIBLE = 'no number is both at_least and below these';

export const range = z
  .strictObject(bounds)
  .refine(({ below, at_least }) => below !== undefined || at_least !== undefined, 'expected below, at_least or both')
  .refine(isPossible, IMPOSSIBLE)
  .meta({
    title: 'range',
    description: '`{ below: n }`, `{ at_least: n }`, or both. `below` leaves n out, `at_least` takes it in.',
  });

/** A score lies between 0 and 1, and so must what it is compared with. */
export const score = range.refine(
  ({ below = 1, at_least = 0 }) => below > 0 && below <= 1 && at_least >= 0 && at_least <= 1,
  'a score lies between 0 and 1, so this would hold always or never',
);

const scalar = z.union([z.string(), z.number(), z.boolean()], 'expected a text, a number, true or false');

// One object and not a union of two: of a mistyped key it can then say which one was meant.
const condition = z
  .strictObject({ ...bounds, present: z.boolean().optional().describe('Whether it is there at all.') })
  .refine(
    ({ below, at_least, present }) => (present === undefined) === (below !== undefined || at_least !== undefined),
    'expected below, at_least or both; or present alone',
  )
  .refine(isPossible, IMPOSSIBLE);

/** What a value must be: itself, one of a list, in a range, or merely there. */
export const match = z
  .union(
    [scalar, z.array(scalar).min(1), condition],
    'expected a value, a list of values, { below: n }, { at_least: n } or { present: true }',
  )
  .meta({
    title: 'match',
    description:
      'What a value must be: itself (`free`, `5`, `true`), one of a list (`[free, trial]`), in a range (`{ below: 0.9 }`; a text that is a decimal number counts as one), or merely there (`{ present: true }`) or not (`{ present: false }`). A value that is missing fits only the last. `5` fits the number 5, however it is written, and the text `5`; `"5"` fits the same text and a number with these digits. What YAML would read as another text (`1.10`, `1e3`, `True`, 20 digits) needs quotes. There are no patterns.',
  });

const headerText = z
  .string()
  .regex(/^[A-Za-z0-9-]{1,64}$/, 'expected a header name of at most 64 letters, digits and "-"')
  .meta({ title: 'header', description: 'A header name, in any case.' });

/** Header names are compared in lower case. */
export const headerName = headerText.transform((text) => text.toLowerCase());

/** What headers must be, by name. */
export const headerMatches = z
  .record(headerText, match)
  .refine((headers) => Object.keys(headers).length > 0, 'expected at least one header')
  .refine(
    (headers) => new Set(Object.keys(headers).map((name) => name.toLowerCase())).size === Object.keys(headers).length,
    'two of these headers differ only in case, and so are the same',
  )
  .transform((headers) =>
    Object.fromEntries(Object.entries(headers).map(([name, what]) => [name.toLowerCase(), what])),
  );

/** A path into a JSON body, such as parameters.priority or instances.0.age. */
export const bodyPath = z
  .string()
  .regex(/^[^.\s]{1,64}(\.[^.\s]{1,64}){0,7}$/, 'expected a path into the body, such as parameters.priority')
  .meta({
    title: 'path',
    description:
      'Where a value stands in a JSON body: keys and places in lists, joined by dots: `user.plan`, `instances.0.age`.',
  });
