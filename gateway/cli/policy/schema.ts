import { policyMarkdown } from '../../policy/docs.ts';
import { policyJsonSchema } from '../../policy/schema.ts';
import type { Command } from '../command.ts';
import { writeWhole } from '../write-file.ts';

const OPTIONS = {
  docs: { kind: 'flag', help: 'the reference for people, in Markdown, in place of the schema' },
  write: { kind: 'string', default: '', help: 'write to this file instead of standard output' },
} as const;

/** `sluice schema`: the JSON Schema of the policy, for editors, or its reference, for people. */
export const schemaCommand: Command<typeof OPTIONS> = {
  usage: 'sluice schema [options]',
  about:
    'Prints the JSON Schema (draft-7) of the policy file, which YAML editors check and complete by, or its reference.',
  options: OPTIONS,
  async run({ docs, write }) {
    const text = docs ? policyMarkdown() : schemaText();
    if (write === '') process.stdout.write(text);
    else writeWhole(write, text);
  },
};

/** The schema as it stands in config/policy.schema.json. */
export function schemaText(): string {
  return `${JSON.stringify(policyJsonSchema(), null, 2)}\n`;
}
