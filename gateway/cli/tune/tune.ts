import { basename, relative } from 'node:path';
import { UserError } from '../../errors.ts';
import { parsePolicy, readPolicyText } from '../../policy/load/load.ts';
import type { TieredModel } from '../../policy/policy.ts';
import { GATEWAY_OPTIONS } from '../../settings.ts';
import { targetOf } from '../../tune/trial.ts';
import { type Tuned, tune } from '../../tune/tune.ts';
import type { Command } from '../command.ts';
import { writeOver } from '../write-file.ts';
import { editedText, unifiedDiff } from './policy-patch.ts';
import { gather, ladderIn, TRIAL_OPTIONS } from './trials.ts';
import { editsFor, tunedText } from './tune-text.ts';

const OPTIONS = {
  model: { kind: 'positional', help: 'a ladder of tiers in the policy' },
  policy: GATEWAY_OPTIONS.policy,
  risk: {
    kind: 'fraction',
    help: 'the part of all inputs that may be answered wrongly where the last tier would be right; 0.01 when left out',
  },
  delta: { kind: 'fraction', help: 'the probability that it is more than that after all; 0.05 when left out' },
  budget: { kind: 'fraction', help: 'in place of the guarantee: the part of the inputs that may be passed on' },
  calibration: {
    kind: 'choice',
    of: ['auto', 'none', 'temperature', 'platt', 'isotonic'],
    default: 'auto',
    help: 'how claims of confidence are mended; auto: what predicts best, or nothing',
  },
  ...TRIAL_OPTIONS,
  write: { kind: 'flag', help: 'change the policy file; a running gateway follows within a second' },
  json: { kind: 'flag', help: 'print JSON for programs' },
} as const;

/** `sluice tune`: thresholds of a ladder with a guarantee, and what its claims of confidence are worth. */
export const tuneCommand: Command<typeof OPTIONS> = {
  usage: 'sluice tune [options]',
  about: `Finds the confidence under which a tier should pass a request on, from inputs that all tiers have answered: labelled ones
(--inputs), a file (--logged), or the comparisons that a running gateway has logged of a shadow from one tier to the next.
The threshold comes with a guarantee (Learn then Test): with probability 1 - delta, at most the part \`risk\` of all inputs
gets a wrong answer that the last tier would have got right. Without labels, the last tier's answers count as right.
Prints the table, and the change to the policy as a patch; --write makes the change.`,
  options: OPTIONS,
  async run(values) {
    const { policy: file, model, risk = 0.01, delta = 0.05, budget, calibration } = values;
    if (risk === 0 || delta === 0)
      throw new UserError('--risk and --delta must be more than 0: no number of inputs proves that nothing is lost', 2);
    const text = readPolicyText(file);
    const policy = parsePolicy(text, file);
    const ladder = ladderIn(policy, model, file);
    const gathered = await gather(values, policy, ladder);
    const tiers = [...ladder.ladder.keys()];
    const target = targetOf(gathered.trials);
    const lower = tuned(ladder);
    // Each tier's losses add up, so each gets its part of what may be lost.
    const shared = {
      last: tiers.at(-1) ?? '',
      target,
      risk: risk / lower.length,
      delta: delta / lower.length,
      budget,
      calibration,
    };
    const results = lower.map((tier) => tune({ ...shared, tier }, gathered.trials));
    const after = editedText(
      text,
      results.flatMap((result) => editsFor(model, ladder, result, new Date())),
    );
    parsePolicy(after, file); // what is printed can be used
    if (values.json)
      console.log(
        JSON.stringify({ ...gathered, trials: undefined, target, risk, delta, budget, tiers: results }, null, 2),
      );
    else {
      console.log(tunedText(gathered, results, { ...shared, budget }, policy));
      const patch = unifiedDiff(nameOf(file), text, after);
      if (patch !== '') console.log(`\n${patch}`);
      else if (results.some(({ chosen }) => chosen !== undefined)) console.log('\nThe policy says so already.');
    }
    if (values.write && after !== text) {
      writeOver(file, text, after);
      console.error(`${file} is changed`);
    }
    if (results.some(({ chosen }) => chosen === undefined)) throw new UserError(uncertain(results, shared));
  },
};

/** As a patch names it: from here, or by itself when it lies elsewhere. */
function nameOf(file: string): string {
  const path = relative(process.cwd(), file);
  return path.startsWith('..') ? basename(file) : path;
}

/** Tiers with a threshold, or all but the last when none has one. */
function tuned({ ladder, escalation }: TieredModel): string[] {
  const tiers = [...ladder.keys()].slice(0, -1);
  const named = tiers.filter((tier) => escalation?.below.has(tier));
  return named.length > 0 ? named : tiers;
}

function uncertain(
  results: readonly Tuned[],
  { risk, delta, budget }: { risk: number; delta: number; budget: number | undefined },
): string {
  const open = results.filter(({ chosen }) => chosen === undefined).map(({ tier }) => tier);
  if (budget !== undefined)
    return `tier ${open}: no threshold passes on so little; its confidence cannot be read too often`;
  return `tier ${open}: cannot certify that at most ${+(risk * 100).toFixed(4)} % are lost (delta ${delta}); the policy keeps its threshold`;
}
