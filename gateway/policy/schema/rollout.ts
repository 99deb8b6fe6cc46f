import { z } from 'zod';
import type { Step } from '../policy.ts';
import { duration, isDuration, name, percentage, ratio, toMilliseconds, toShare } from '../units.ts';
import { unit, withoutUnit } from './unit.ts';

const STEP = /^(\d{1,3}(?:\.\d{1,4})?%)(?: for (\d{1,12}(?:\.\d{1,6})?(?:ms|s|m|h|d))| until approved)?$/;

/** A share of the callers, and what ends it. */
export const step = z
  .string('expected a step such as 5%, 5% for 10m or 5% until approved')
  .regex(STEP, 'expected a step such as 5%, 5% for 10m or 5% until approved')
  .transform((text): Step => {
    const [, share = '', bake] = STEP.exec(text) ?? [];
    const held = text.endsWith('approved') ? 'approved' : 'held';
    return { share: toShare(share), until: bake === undefined ? held : { bakeMs: toMilliseconds(bake) } };
  })
  .refine(({ share }) => share <= 1, 'expected a percentage of at most 100%')
  .refine(({ until }) => typeof until === 'string' || isDuration(until.bakeMs), 'expected a time from 1ms to 24d')
  .meta({
    title: 'step',
    description:
      'A share of the callers, and what ends the step: `5% for 10m` bakes for ten minutes, `5% until approved` waits for a person, `5%` alone is held.',
  });

const someoneLeft = percentage.refine((share) => share < 1, 'expected less than 100%, which leaves no one');

/** What is tolerated beside the baseline where the policy does not say. */
const TOLERATED = { errors: 1.5, latency: 1.2 };

const versusBaseline = z
  .union(
    [
      ratio,
      z
        .strictObject({
          errors: ratio
            .optional()
            .describe(`How many times as often as the baseline it may fail; ${TOLERATED.errors}x when left out.`),
          latency: ratio
            .optional()
            .describe(`How many times as slow as the baseline it may be; ${TOLERATED.latency}x when left out.`),
        })
        .refine(
          ({ errors, latency }) => errors !== undefined || latency !== undefined,
          'expected errors, latency or both',
        ),
    ],
    'expected a ratio such as 1.5x, or { errors: 1.5x, latency: 1.2x }',
  )
  .prefault(`${TOLERATED.errors}x`)
  .transform((written) => {
    const { errors, latency } = typeof written === 'number' ? { errors: written } : written;
    return { errors: errors ?? TOLERATED.errors, latency: latency ?? TOLERATED.latency };
  })
  .describe(
    'What is tolerated beside the baseline in the same time: how many times as often it may fail, and how many times as slow it may be. A ratio alone, such as `2x`, is that of the errors.',
  );

const rollback = z
  .strictObject({
    error_rate: percentage
      .refine((rate) => rate > 0 && rate <= 0.9, 'expected more than 0% and at most 90%')
      .optional()
      .describe("Ceiling of the candidate's error rate: above it the candidate is suspended."),
    latency_p99: duration
      .optional()
      .describe("Ceiling of the candidate's 99th percentile of latency: above it the candidate is suspended."),
    versus_baseline: versusBaseline,
    consecutive_failures: z
      .int()
      .min(2)
      .max(1000)
      .default(10)
      .describe('Requests in a row that fail, over two seconds or more, which suspend the candidate at once.'),
    pause: duration
      .prefault('30s')
      .describe(
        "How long a suspended candidate's callers stay with the baseline before a probe asks again; each probe that finds the same doubles it.",
      ),
    disagreement: percentage
      .optional()
      .describe('Ceiling of the disagreement in shadow comparisons above the noise floor.'),
    false_alarm: percentage
      .refine((share) => share > 0, 'expected more than 0%; with no risk at all nothing can ever be judged')
      .prefault('1%')
      .describe(
        'Chance that a good candidate is ever ended, over the whole rollout and all guards together. A suspension is not an end, and may be more frequent.',
      ),
    action: z
      .enum(['rollback', 'freeze', 'dry_run'])
      .default('rollback')
      .describe(
        'What a guard does. `rollback` suspends the candidate, and ends the rollout when the evidence recurs; `freeze` holds the rollout where it is and suspends nobody; `dry_run` only reports, and no step follows by itself either.',
      ),
  })
  .describe(
    'What takes the candidate out of service without anyone asking. A guard first suspends the candidate: its callers go back to the baseline at once. After a pause a probe asks again with other callers; only when the evidence recurs does the rollout end, permanently.',
  );

const salt = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, 'expected at most 128 letters, digits, ".", "_" and "-"')
  .optional();

export const rollout = z
  .strictObject({
    id: name.describe(
      'Names this rollout. An id belongs to one candidate permanently; a rolled-back id never comes back.',
    ),
    candidate: name.describe('The version that receives the share.'),
    unit,
    without_unit: withoutUnit,
    salt: salt.describe(
      'What callers are hashed with, which decides who is among the first. Left out, a single rollout takes `<model>.canary.<id>`, so that each rollout starts with other callers, and those of a list take `<model>.canary`. In a list all name the same salt, or none does.',
    ),
    from: percentage
      .optional()
      .describe('Where its block of callers starts. Only in a list of rollouts, where each has a block of its own.'),
    warm_up: z
      .int()
      .min(0)
      .max(10_000)
      .default(20)
      .describe(
        'What happens before the first callers: how many copies of real requests each server of the candidate answers first, so that it is warm when callers come. Nobody sees these answers. Callers wait for it 10 s at most, and not at all while nobody asks the baseline, as at a first start: then there is nothing to copy. 0 turns it off; models that are not idempotent have none.',
      ),
    steps: z.array(step).min(1).max(100).describe("The candidate's share of callers, step by step, never falling."),
    holdback: someoneLeft.optional().describe('Callers kept on the baseline even at 100 %, as a control.'),
    max_duration: duration.optional().describe('After this time without a verdict the rollout holds and says so.'),
    min_requests: z
      .int()
      .min(1)
      .max(1_000_000_000)
      .default(100)
      .describe('Requests that the candidate answers in each step before the next one may follow.'),
    max_disagreement: percentage
      .optional()
      .describe('Disagreement in shadow comparisons above the noise floor up to which the candidate may be promoted.'),
    guard_time: duration
      .prefault('1h')
      .describe('How long after the promotion the guards go on and the old version is kept warm.'),
    rollback: rollback.optional(),
  })
  .describe('A candidate version receiving a share of the callers.');

const arm = z
  .union(
    [
      percentage,
      z.strictObject({
        share: percentage.describe('Its share of callers.'),
        up_to: percentage.describe('Room to raise the share later without moving anyone between arms.'),
      }),
    ],
    'expected a percentage such as 10%, or { share: 10%, up_to: 30% }',
  )
  .describe('The share of callers that get this version: a percentage, or these keys.');

export const experiment = z
  .strictObject({
    id: name.describe('Names the experiment and salts its buckets.'),
    unit,
    without_unit: withoutUnit,
    salt: salt.describe('What the buckets are salted with; `<id>.ab` when left out. Changing it moves everyone.'),
    holdout: someoneLeft.optional().describe('Callers kept out of the experiment, on the baseline.'),
    arms: z
      .record(name, arm)
      .describe('The versions that are compared, each with its share; the other callers get the rest.'),
    allow_reshuffle: z
      .boolean()
      .default(false)
      .describe('Lets a reload change unit, salt or block of a running experiment, which moves callers between arms.'),
  })
  .describe('A sticky A/B test between versions.');
