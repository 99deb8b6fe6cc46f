import { rungsOf } from '../../decide/escalate.ts';
import { UserError } from '../../errors.ts';
import { loadPolicy } from '../../policy/load/load.ts';
import type { TieredModel } from '../../policy/policy.ts';
import { GATEWAY_OPTIONS } from '../../settings.ts';
import { pictureOf } from '../../tune/picture.ts';
import { replay } from '../../tune/replay.ts';
import { targetOf } from '../../tune/trial.ts';
import type { Climb } from '../../tune/walk.ts';
import type { Command } from '../command.ts';
import { writeWhole } from '../write-file.ts';
import { replayText } from './replay-text.ts';
import { gather, ladderIn, TRIAL_OPTIONS } from './trials.ts';

const OPTIONS = {
  model: { kind: 'positional', help: 'a ladder of tiers in the policy' },
  policy: GATEWAY_OPTIONS.policy,
  edited: { kind: 'string', default: '', help: 'another policy whose ladder of that name is replayed beside it' },
  ...TRIAL_OPTIONS,
  picture: { kind: 'string', default: '', help: 'a file for cost and quality as a picture (SVG)' },
  json: { kind: 'flag', help: 'print JSON for programs' },
} as const;

/** `sluice replay`: what every way of answering would have cost, and how good it would have been. */
export const replayCommand: Command<typeof OPTIONS> = {
  usage: 'sluice replay [options]',
  about: `Replays inputs that all tiers have answered through the ladder as the policy has it, through an edited one, through every
tier alone, every pair of tiers, and through the oracle that always knows the cheapest tier that is right. Use inputs that
nothing was tuned on. Quality is measured by the labels, or else by agreement with the last tier; intervals are at 95 %.`,
  options: OPTIONS,
  async run(values) {
    const { policy: file, model, edited } = values;
    const policy = loadPolicy(file);
    const ladder = ladderIn(policy, model, file);
    const other = edited === '' ? undefined : ladderIn(loadPolicy(edited), model, edited);
    requireSameTiers(ladder, other, edited);
    const gathered = await gather(values, policy, ladder);
    const ladders = new Map([['the policy', climbOf(ladder)]]);
    if (other !== undefined) ladders.set('edited', climbOf(other));
    const result = replay([...ladder.ladder.keys()], ladders, gathered.trials, targetOf(gathered.trials));
    if (values.json)
      console.log(
        JSON.stringify(
          { ...result, source: gathered.source, costs: gathered.costs, notes: gathered.notes },
          mapsAsObjects,
          2,
        ),
      );
    else console.log(replayText(result, gathered));
    if (values.picture === '') return;
    const picture = pictureOf(result, `${model}: ${result.inputs} inputs`);
    if (picture === undefined)
      throw new UserError(
        'no picture without costs: give `costs` in the policy, or use --inputs beside a gateway of Sluice servers',
      );
    writeWhole(values.picture, picture);
  },
};

function requireSameTiers(ladder: TieredModel, other: TieredModel | undefined, edited: string): void {
  if (other === undefined) return;
  const modelsOf = ({ ladder: of }: TieredModel) => [...of].map(([tier, { name }]) => `${tier}: ${name}`).join(', ');
  if (modelsOf(ladder) !== modelsOf(other))
    throw new UserError(
      `${edited}: its ladder is ${modelsOf(other)}, not ${modelsOf(ladder)}; a replay knows the answers of these tiers alone`,
    );
}

function climbOf(ladder: TieredModel): Climb {
  const { rules, escalation } = ladder;
  return {
    ...rungsOf(ladder),
    start: rules.at(-1)?.use ?? '',
    calibrations: escalation?.calibrations ?? new Map(),
    budget: escalation && { share: escalation.budget, burst: escalation.burst },
  };
}

function mapsAsObjects(_key: string, value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries(value) : value;
}
