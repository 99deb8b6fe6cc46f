import { z } from 'zod';
import { isSecretHeader } from '../secrets.ts';
import { bytes, duration, name, percentage } from '../units.ts';
import { headerName } from './match.ts';

const NO_CREDENTIALS = 'credentials are never mirrored';

const path = z.string().min(1).max(256);

const keep = z
  .strictObject({
    fields: z.array(path).default([]).describe('JSON paths of the answers, such as outputs.*.data.'),
    request_fields: z.array(path).default([]).describe('JSON paths of the request.'),
    sample: percentage.prefault('100%').describe('Share of the compared requests whose values are kept.'),
    for: duration.prefault('24h').describe('How long they are kept.'),
  })
  .refine(
    ({ fields, request_fields }) => fields.length + request_fields.length > 0,
    'expected fields or request_fields',
  )
  .describe('Values of bodies kept for people to look at, without what looks like a secret; none when left out.');

const compare = z
  .strictObject({
    as: z
      .enum(['classification', 'regression', 'ranking', 'embedding', 'text', 'json', 'exact'])
      .describe('What the output means, and so what counts as a difference.'),
    output: z.string().min(1).max(128).optional().describe('The output that is compared; the only one when left out.'),
    tolerance: z.number().min(0).optional().describe('Difference up to which two numbers are the same.'),
    top: z.int().min(1).max(1000).optional().describe('Places of a ranking or classification that are compared.'),
    fields: z
      .array(z.string().min(1).max(256))
      .min(1)
      .optional()
      .describe('JSON fields that are compared; all when left out.'),
    slices: z
      .array(headerName.refine((header) => !isSecretHeader(header), NO_CREDENTIALS))
      .max(8)
      .optional()
      .describe('Headers by whose values the comparisons are also counted separately, such as x-tenant.'),
    keep: keep.optional(),
  })
  .describe('How the answers are compared; every value, every digit when left out.');

const budget = z
  .strictObject({
    bytes: bytes.prefault('32MiB').describe('Bodies held for this shadow at one time.'),
    concurrency: z.int().min(1).max(10_000).default(32).describe('Mirrored requests in flight at one time.'),
    age: duration.prefault('5s').describe('How long one may wait before it is dropped.'),
  })
  .describe('What mirroring may cost; beyond it the oldest are dropped and counted.');

const shadow = z
  .strictObject({
    name: name.optional().describe('Names the shadow; the version or model it mirrors to when left out.'),
    version: name.optional().describe('A version of this model.'),
    model: name.optional().describe('Another model of this policy, in place of a version.'),
    sample: percentage.describe('Share of requests that are mirrored.'),
    compare: compare.prefault({ as: 'exact' }),
    budget: budget.prefault({}),
    headers: z
      .array(headerName.refine((header) => !isSecretHeader(header), NO_CREDENTIALS))
      .optional()
      .describe("The caller's headers that are mirrored; credentials never are."),
  })
  .refine(({ version, model }) => (version === undefined) !== (model === undefined), 'expected either version or model')
  .describe(
    'A version that receives copies of requests and answers no one. Of protocol http these are GET and POST up to 4 MiB, without parameters of the query that are named like credentials (api_key, token, sig).',
  );

export type WrittenShadow = z.output<typeof shadow>;

export const shadows = z.array(shadow).min(1).max(16).describe('Where copies of requests go.');
