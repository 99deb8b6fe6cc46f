// The policy as it is written. Run-time check, TypeScript types, config/policy.schema.json and config/policy.md all
// come from here; each part of the file has a file of its own in schema/.
import { z } from 'zod';
import { fleet } from './schema/fleet.ts';
import { models } from './schema/model.ts';

/** The whole file. */
export const PolicySchema = z.strictObject({
  apiVersion: z.literal('sluice/v1', 'expected sluice/v1').describe('The language of the file: sluice/v1.'),
  fleet,
  models,
  end: z
    .literal(true, 'expected true, or no such key')
    .optional()
    .describe(
      'The last line of the file, true: nothing of it is missing, so an edit in place is taken at once. Without it the gateway waits until the file has stood still for 1 to 5 s, longer the more has changed; a file that is renamed into place never waits.',
    ),
});

/** The policy after the check: units are numbers (ms, bytes, shares of 1), defaults are in. */
export type PolicyFile = z.output<typeof PolicySchema>;

/** JSON Schema of the file as written, draft-7 because that is what YAML language servers read. */
export function policyJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(PolicySchema, { io: 'input', target: 'draft-7' }),
    title: 'Sluice routing policy',
  };
}
