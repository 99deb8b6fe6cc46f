import { z } from 'zod';
import { duration, name, percentage } from '../units.ts';
import { headerMatches } from './match.ts';
import { experiment, rollout } from './rollout.ts';
import { shadows } from './shadow.ts';
import { tiers } from './tiers.ts';

/** In a path `.` and `..` would lead somewhere else, and control characters nowhere. */
function isPathSegment(text: string): boolean {
  return text !== '.' && text !== '..' && !/\p{Cc}/u.test(text);
}

const version = z
  .strictObject({
    servers: z.array(name).min(1).describe('The servers of the fleet that have this version.'),
    model: z
      .string()
      .min(1)
      .max(128)
      .refine(isPathSegment, 'expected a name that can stand in a path: not "." or "..", no control characters')
      .optional()
      .describe("The server's own name of the model; the same as ours when left out."),
    version: z
      .string('expected a string in quotes, such as "1"')
      .regex(/^[A-Za-z0-9._-]{1,64}$/, 'expected at most 64 letters, digits, ".", "_" and "-"')
      .refine(isPathSegment, 'expected a version that can stand in a path: not "." or ".."')
      .optional()
      .describe("The server's own version; left out, the server chooses."),
    prefer: z
      .enum(['cpu', 'gpu'])
      .optional()
      .describe('The class of server asked first; the other one takes what it cannot.'),
    timeout: duration.optional().describe("A shorter deadline than the model's, for this version."),
    max_in_flight: z
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe('Requests at this version at one time, over all servers.'),
  })
  .describe('One version of a model, and where it runs.');

const pins = z
  .union(
    [
      z.enum(['none', 'any']),
      z.strictObject({ header: headerMatches.describe('Headers by name, all of which must fit.') }),
    ],
    'expected "none", "any" or { header: { name: value } }',
  )
  .prefault('none')
  .describe('Who may choose a version by path or by x-sluice-version: no one, anyone, or whoever sends these headers.');

const served = z
  .strictObject({
    protocol: z
      .enum(['oip', 'v1', 'http'])
      .default('oip')
      .describe('What its servers speak: Open Inference Protocol v2, v1 predict alone, or any HTTP below a prefix.'),
    prefix: z
      .string()
      .regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'expected a path such as /llm')
      .refine((text) => !/\/\.{1,2}(\/|$)/.test(text), 'expected a path without "." and ".."')
      .refine((text) => !/^\/v[12](\/|$)/.test(text), '/v1 and /v2 belong to the inference protocols')
      .optional()
      .describe('With protocol http: the path below which every request is forwarded.'),
    timeout: duration.describe(
      "The caller's whole deadline, answer included; with protocol http less the time that the caller takes to send and to read.",
    ),
    idle_timeout: duration
      .optional()
      .describe(
        'With protocol http: the longest pause of a server between two pieces of a streamed answer; 30s when left out.',
      ),
    idempotent: z
      .boolean()
      .optional()
      .describe(
        'Whether a request that may have reached a server may be sent to another. True when left out, with protocol http false.',
      ),
    retry_budget: percentage
      .prefault('20%')
      .describe('Share of requests that may be sent once more after a server failed to answer; 0% never repeats one.'),
    hedge_after: duration
      .optional()
      .describe(
        'After this time without an answer another server is asked too and the first answer wins; counts against retry_budget.',
      ),
    versions: z.record(name, version).describe('The versions, by our label.'),
    baseline: name.describe('The version that answers unless something else decides.'),
    pins,
    experiment: experiment.optional(),
    rollout: z
      .union(
        [rollout, z.array(rollout).min(1).max(16)],
        'expected { id, candidate, unit, steps }, or a list in which each has a block of callers',
      )
      .optional()
      .describe('One rollout, or a list in which each has a block of callers of its own.'),
    shadow: shadows.optional(),
  })
  .meta({ title: 'a model with versions', description: 'A model that applications call by this name.' });

const tiered = z
  .strictObject({ tiers })
  .meta({ title: 'a ladder of tiers', description: 'A name that stands for a ladder of models.' });

export const models = z
  .record(name, z.union([served, tiered], 'expected { timeout, versions, baseline } or { tiers }'))
  .describe('The models, by the name that applications call.');

export type WrittenServed = z.output<typeof served>;
export type WrittenTiered = z.output<typeof tiered>;
export type WrittenRollout = z.output<typeof rollout>;
export type WrittenExperiment = z.output<typeof experiment>;
