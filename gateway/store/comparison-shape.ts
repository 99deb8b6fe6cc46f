// The shape of a stored comparison. Lines may be damaged, and a stream of Redis may hold what others wrote: whatever reads one
// relies on all of it.
import { z } from 'zod';
import { COMPARISON_KINDS, type Comparison } from '../compare/comparison.ts';

const text = z.string();
const number = z.number();
const kind = z.enum(COMPARISON_KINDS);

const side = z.looseObject({ version: text, status: number, server: text, latencyMs: number, bytes: number });

const found = { field: text, same: z.boolean(), distance: number };
const field = z.discriminatedUnion('as', [
  z.looseObject({
    ...found,
    as: z.literal('classification'),
    rows: number,
    flips: number,
    cells: z.array(z.tuple([text, text, number])),
    maxDelta: number,
  }),
  z.looseObject({ ...found, as: z.literal('json'), difference: text, count: number }),
  ...(['regression', 'ranking', 'embedding', 'text', 'exact'] as const).map((as) =>
    z.looseObject({ ...found, as: z.literal(as) }),
  ),
]);

export const COMPARISON = z.looseObject({
  id: text,
  model: text,
  shadow: text,
  at: number,
  kind,
  slices: z.record(text, text).optional(),
  baseline: side,
  candidate: side,
  fields: z.array(field),
  noise: z.looseObject({ kind, fields: z.array(field) }).optional(),
});

/** Whether a value is a comparison. */
export function isComparison(value: unknown): value is Comparison {
  return COMPARISON.safeParse(value).success;
}
