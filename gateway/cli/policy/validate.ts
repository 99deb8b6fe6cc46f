import { PolicyError, parseWritten, readPolicyText } from '../../policy/load/load.ts';
import type { Policy } from '../../policy/policy.ts';
import { GATEWAY_OPTIONS } from '../../settings.ts';
import type { Command } from '../command.ts';
import { countedText } from '../text/amounts.ts';
import { type Plan, planOf } from './plan.ts';
import { planText } from './plan-text.ts';
import { mistakesIn, mistakeText, type PolicyMistake } from './policy-mistakes.ts';

const OPTIONS = {
  file: {
    kind: 'positional',
    env: GATEWAY_OPTIONS.policy.env,
    default: GATEWAY_OPTIONS.policy.default,
    help: 'the policy, a YAML file',
  },
  json: { kind: 'flag', help: 'print JSON for programs' },
} as const;

/** `sluice validate`: a policy's mistakes by line and column, or what it is going to do. */
export const validateCommand: Command<typeof OPTIONS> = {
  usage: 'sluice validate [options]',
  about:
    'Checks a policy without serving it. A good one is answered with its plan: how long its rollouts take, what its shadows\nadd to the load. A bad one with each mistake, where it stands, and exit code 1.',
  options: OPTIONS,
  async run({ file, json }) {
    const report = validate(file);
    process.exitCode = report.ok ? 0 : 1;
    if (json) console.log(JSON.stringify(jsonOf(report), null, 2));
    else if (report.ok) console.log(goodText(file, report));
    else console.error(badText(file, report));
  },
};

export type Report =
  | { readonly ok: true; readonly policy: Policy; readonly plan: Plan }
  | { readonly ok: false; readonly errors: readonly PolicyMistake[]; readonly source: string | undefined };

/** Checks a policy file. */
export function validate(file: string): Report {
  let source: string | undefined;
  try {
    source = readPolicyText(file);
    const { written, policy } = parseWritten(source, file);
    return { ok: true, policy, plan: planOf(written, policy) };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { ok: false, errors: mistakesIn(error, file), source };
  }
}

function jsonOf(report: Report): Record<string, unknown> {
  if (!report.ok) return { ok: false, errors: report.errors };
  return { ok: true, errors: [], plan: report.plan };
}

function goodText(file: string, { policy, plan }: Extract<Report, { ok: true }>): string {
  const counts = `${countedText(policy.fleet.size, 'server')}, ${countedText(policy.models.size, 'model')}`;
  return [[`${file}: ok`, counts].join('\n'), planText(plan)].filter(Boolean).join('\n\n');
}

function badText(file: string, { errors, source }: Extract<Report, { ok: false }>): string {
  const told = errors.map((mistake) => mistakeText(mistake, source)).join('\n\n');
  return errors.every(({ line }) => line !== undefined)
    ? `${told}\n\n${file}: ${countedText(errors.length, 'mistake')}`
    : told;
}
