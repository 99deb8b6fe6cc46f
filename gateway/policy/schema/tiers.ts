import { z } from 'zod';
import { duration, name, percentage } from '../units.ts';
import { bodyPath, headerMatches, headerName, match, range, score } from './match.ts';

const when = z
  .strictObject({
    header: headerMatches.optional().describe('Headers, by name.'),
    parameter: z
      .record(z.string().min(1).max(64), match)
      .refine((wanted) => Object.keys(wanted).length > 0, 'expected at least one parameter')
      .optional()
      .describe('Parameters of an Open Inference Protocol request.'),
    body: z
      .record(bodyPath, match)
      .refine((wanted) => Object.keys(wanted).length > 0, 'expected at least one field')
      .optional()
      .describe('Fields of a JSON body by path, such as user.plan.'),
    body_bytes: range.optional().describe('Size of the body in bytes.'),
    text_length: range.optional().describe('Characters of the text sent for inference.'),
    complexity: score.optional().describe('The score that `complexity` gives, 0 to 1.'),
  })
  .refine(
    (conditions) => Object.keys(conditions).length > 0,
    'expected at least one condition; leave `when` out for always',
  )
  .describe('Conditions; all of them hold.');

const rule = z
  .strictObject({
    when: when.optional(),
    use: name.describe('The tier that answers when the conditions hold.'),
  })
  .describe('The first rule whose conditions hold decides.');

const feature = {
  weight: z.number().positive().max(1000).default(1).describe('How much it counts beside the others.'),
  low: z.number().default(0).describe('At or below this it counts as easy, 0.'),
  high: z.number().describe('At or above this it counts as hard, 1.'),
};
/** From a feature's own numbers to 0..1. */
export const scale = z
  .strictObject(feature)
  .refine(({ low, high }) => low < high, 'low must be less than high')
  .meta({
    title: 'scale',
    description:
      '`{ low: 10, high: 500, weight: 2 }`: at or below `low` (0 when left out) it counts as easy, at or above `high` as hard; `weight` (1) is how much it counts beside the others.',
  });
const scaled = (about: string) => scale.optional().describe(about);

const complexity = z
  .strictObject({
    bytes: scaled('Size of the body in bytes.'),
    text_length: scaled('Characters of all texts sent for inference.'),
    words: scaled('Words of text.'),
    digits_ratio: scaled('Digits by characters, 0 to 1.'),
    compression_ratio: scaled(
      'Compressed by original size of its first 4,096 characters: near 0 repetitive, near 1 dense. Short texts look dense.',
    ),
    elements: scaled('Numbers in the JSON tensors; those in the binary part of a request are not seen.'),
    missing: scaled('Missing values in the tensors: null, NaN, infinite.'),
    field: z
      .strictObject({ path: bodyPath.describe('The field of the body, such as meta.difficulty.'), ...feature })
      .refine(({ low, high }) => low < high, 'low must be less than high')
      .optional()
      .describe('A number that the caller sends.'),
  })
  .refine((features) => Object.keys(features).length > 0, 'expected at least one feature')
  .describe(
    'How hard a request looks, 0 to 1: the weighted mean of these features, each scaled, over those that the request has. With none of them there is no signal.',
  );

const confidence = z.union(
  [
    z.strictObject({
      output: z.string().min(1).max(128).describe('An output that holds probabilities.'),
      as: z
        .enum(['max', 'margin', 'entropy'])
        .default('max')
        .describe(
          'Its largest, how far that is from the second, or how unevenly they are spread. One probability is a binary answer: the other class has the rest.',
        ),
    }),
    z.strictObject({ field: bodyPath.describe('A number in the body of the answer.') }),
    z.strictObject({ parameter: z.string().min(1).max(64).describe('A parameter of the answer.') }),
  ],
  'expected { output: name }, { field: path } or { parameter: name }',
);

const rising = z
  .array(z.tuple([z.number().gt(0).lt(1), z.number().gt(0).lt(1)]))
  .min(1)
  .max(1000)
  .refine(
    (points) =>
      points.every(([x, y], i) => i === 0 || (x > (points[i - 1]?.[0] ?? 0) && y > (points[i - 1]?.[1] ?? 0))),
    'expected points of which each lies to the right of and above the one before',
  );

const calibration = z
  .strictObject({
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in hex, as `sluice tune` prints it')
      .describe('The model file that it was fitted on. While the server has another one, it is ignored.'),
    temperature: z.number().positive().max(1000).optional().describe('Divides the log-odds of the confidence.'),
    platt: z
      .strictObject({
        a: z.number().positive().max(1000).describe('The factor.'),
        b: z.number().min(-1000).max(1000).describe('What is added.'),
      })
      .optional()
      .describe('Log-odds times a, plus b.'),
    isotonic: rising.optional().describe('Points `[confidence, how often right]`, joined by lines.'),
    fitted: z
      .strictObject({
        pairs: z.int().min(1).describe('Inputs it was fitted on.'),
        target: z.string().min(1).max(128).describe('What counted as right.'),
        on: z.string().min(1).max(32).describe('The day.'),
        escalated: z.number().min(0).max(1).optional().describe('The share that was passed on: what is expected.'),
      })
      .optional()
      .describe('Where it comes from.'),
  })
  .refine(
    ({ temperature, platt, isotonic }) =>
      [temperature, platt, isotonic].filter((method) => method !== undefined).length === 1,
    'expected exactly one of temperature, platt and isotonic',
  );

const escalate = z
  .strictObject({
    below: z
      .record(name, z.number().min(0).max(1))
      .refine((tiers) => Object.keys(tiers).length > 0, 'expected at least one tier')
      .describe('Confidence under which a tier passes the request on, by tier.'),
    budget: percentage.describe('Share of requests that may be passed on.'),
    burst: z.int().min(1).max(10_000).default(10).describe('How many more than that in a moment.'),
    confidence: confidence.describe('Where the confidence of an answer stands: an output, a field or a parameter.'),
    confidence_of: z
      .record(name, confidence)
      .optional()
      .describe('The same for tiers whose answers look different, by tier.'),
    calibration: z
      .record(name, z.array(calibration).min(1).max(16))
      .optional()
      .describe('What a claim of confidence is worth, by tier and model file. `sluice tune` writes it.'),
  })
  .describe('When an unsure answer is asked for again, of the next tier.');

export const tiers = z
  .strictObject({
    ladder: z.record(name, name).describe('Models of this policy by tier, from fast to accurate.'),
    rules: z.array(rule).min(1).max(1000).describe('Which tier a request starts at; the last rule has no conditions.'),
    complexity: complexity.optional(),
    no_signal: name
      .optional()
      .describe('The tier when a rule asks for complexity and the request shows none. Needed as soon as a rule asks.'),
    timeout: duration
      .optional()
      .describe("What a caller waits at most, over all tiers; the longest of the ladder's models when left out."),
    costs: z
      .record(name, z.number().min(0).max(1e9))
      .optional()
      .describe('What an answer of a tier costs, by tier, in a unit of your own: milliseconds, or cents.'),
    cost_groups: z
      .strictObject({
        header: headerName.describe('The header that tells callers apart, such as x-plan.'),
        of: z.array(z.string().min(1).max(64)).min(1).max(20).describe('Its values; any other counts as "other".'),
      })
      .optional()
      .describe('Groups of callers whose costs are counted separately.'),
    escalate: escalate.optional(),
  })
  .describe('A ladder of models, and which of them answers.');
