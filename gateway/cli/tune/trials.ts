// Where `tune` and `replay` get their trials: labelled requests that are sent now, a file, or what a gateway has logged.
import type { Comparison } from '../../compare/comparison.ts';
import { UserError } from '../../errors.ts';
import type { Policy, TieredModel } from '../../policy/policy.ts';
import { didYouMean } from '../../policy/suggest.ts';
import type { Page } from '../../store/store.ts';
import { fromComparisons, type TiersOf, whyNotLogged } from '../../tune/from-comparisons.ts';
import type { Trial } from '../../tune/trial.ts';
import { ADMIN_OPTIONS, type AdminClient, adminClient } from '../ask/admin-client.ts';
import type { Values } from '../options.ts';
import { countText } from '../text/amounts.ts';
import { progressBar } from '../text/progress.ts';
import { askTiers } from './ask-tiers.ts';
import { readLabelled, readLabels, readLogged, writeTrials } from './trial-lines.ts';

/** The options that say where trials come from. */
export const TRIAL_OPTIONS = {
  inputs: {
    kind: 'string',
    default: '',
    help: 'labelled requests to send to every tier: JSON lines, {"request": {"inputs": [...]}, "label": 7}',
  },
  logged: {
    kind: 'string',
    default: '',
    help: 'a file of trials (--save) or of exported comparisons, in place of what the gateway has logged',
  },
  labels: {
    kind: 'string',
    default: '',
    help: 'what is right, for logged pairs: JSON lines, {"id": "request id", "label": 7}',
  },
  url: { kind: 'string', default: 'http://127.0.0.1:8080', help: 'the gateway that --inputs are sent to' },
  answer: {
    kind: 'string',
    default: '',
    help: 'the output that holds the answer; the class of the highest probability when left out',
  },
  concurrency: { kind: 'count', default: 2, help: 'requests of --inputs in flight at a time' },
  limit: { kind: 'count', default: 20_000, help: 'logged pairs that are read, the newest first' },
  save: { kind: 'string', default: '', help: 'a file that keeps the trials, to use them again' },
  ...ADMIN_OPTIONS,
} as const;

export type TrialValues = Values<typeof TRIAL_OPTIONS>;

export type Gathered = {
  /** Those that every tier has answered. */
  readonly trials: readonly Trial[];
  /** Where they come from, in words. */
  readonly source: string;
  readonly costs: 'measured' | 'policy' | 'none';
  /** What was left out, and why. */
  readonly notes: readonly string[];
};

const PAGE = 500;

/** The ladder of that name. Throws UserError when there is none, or it has no confidence to read. */
export function ladderIn(policy: Policy, name: string, file: string): TieredModel {
  const model = policy.models.get(name);
  const ladders = [...policy.models.values()].flatMap((each) => (each.kind === 'tiers' ? [each.name] : []));
  if (model?.kind === 'tiers') {
    if (model.escalation !== undefined) return model;
    throw new UserError(
      `${file}: ${name} has no \`escalate\`, which says where the confidence of an answer stands; any threshold will do to begin with`,
    );
  }
  const hint =
    ladders.length === 0 ? '; this policy has no ladder of tiers' : `; its ladders are ${ladders.join(', ')}`;
  throw new UserError(
    `${file}: ${model === undefined ? `no model "${name}"${didYouMean(name, ladders)}` : `${name} has no tiers`}${hint}`,
    2,
  );
}

/** Gathers trials as the options say. Throws UserError. */
export async function gather(values: TrialValues, policy: Policy, ladder: TieredModel): Promise<Gathered> {
  if (values.inputs !== '' && values.logged !== '') throw new UserError('--inputs and --logged do not go together', 2);
  const gathered = values.inputs === '' ? await logged(values, policy, ladder) : await asked(values, policy, ladder);
  const tiers = [...ladder.ladder.keys()];
  const whole = gathered.trials.filter((trial) => tiers.every((tier) => trial.tiers.has(tier)));
  const lost = gathered.trials.length - whole.length;
  if (values.save !== '') writeTrials(values.save, whole);
  const notes = [
    ...gathered.notes,
    ...(lost === 0
      ? []
      : [
          `${countText(lost)} of ${countText(gathered.trials.length)} inputs are left out: not every tier has answered them`,
        ]),
  ];
  if (whole.length > 0) return { ...gathered, trials: whole, notes };
  throw new UserError(['no input that every tier has answered', ...notes, hintFor(values, ladder)].join('\n'));
}

async function asked(values: TrialValues, policy: Policy, ladder: TieredModel): Promise<Gathered> {
  const inputs = readLabelled(values.inputs);
  const { trials, costs, failed } = await askTiers(
    {
      url: values.url,
      admin: adminClient(values.admin, process.env),
      policy,
      ladder,
      answer: values.answer === '' ? undefined : values.answer,
      concurrency: values.concurrency,
      onDone: progressBar(inputs.length, `asking ${ladder.ladder.size} tiers`),
    },
    inputs,
  );
  const notes = [...failed].map(
    ([tier, { count, reason }]) => `tier ${tier} failed ${countText(count)} times: ${reason}`,
  );
  return { trials, costs, notes, source: `${values.inputs}, sent to every tier at ${values.url}` };
}

async function logged(values: TrialValues, policy: Policy, ladder: TieredModel): Promise<Gathered> {
  const costs = ladder.costs.size > 0 ? 'policy' : 'none';
  const file = values.logged === '' ? undefined : readLogged(values.logged);
  if (file?.kind === 'trials') {
    const isPriced = file.trials.every(({ tiers }) => [...tiers.values()].every(({ cost }) => cost !== undefined));
    return { trials: file.trials, costs: isPriced ? 'measured' : 'none', notes: [], source: values.logged };
  }
  requireLoggable(ladder);
  const comparisons =
    file?.comparisons ?? (await download(adminClient(values.admin, process.env), ladder, values.limit));
  const labels = values.labels === '' ? new Map<string, string>() : readLabels(values.labels);
  const { trials, skipped } = fromComparisons(comparisons, tiersOf(policy, ladder), ladder.costs, labels);
  const known = values.labels === '' ? trials : trials.filter(({ label }) => label !== undefined);
  return {
    trials: known,
    costs,
    source: file === undefined ? `the comparisons that the gateway at ${values.admin} has logged` : values.logged,
    notes: [
      ...(skipped === 0
        ? []
        : [
            `${countText(skipped)} comparisons are left out: a side failed, they hold several rows, or compare no two tiers`,
          ]),
      ...(known.length === trials.length
        ? []
        : [`${countText(trials.length - known.length)} pairs are left out: --labels does not name them`]),
    ],
  };
}

function requireLoggable({ escalation }: TieredModel): void {
  for (const from of escalation?.confidence.values() ?? []) {
    const why = whyNotLogged(from);
    if (why !== undefined) throw new UserError(`${why}: use --inputs`);
  }
}

async function download(client: AdminClient, ladder: TieredModel, limit: number): Promise<Comparison[]> {
  const found: Comparison[] = [];
  for (const { name } of ladder.ladder.values()) {
    let cursor: string | undefined;
    do {
      const page = (await client.get('/api/comparisons', { model: name, limit: PAGE, cursor })) as Page;
      found.push(...page.comparisons);
      cursor = page.cursor;
    } while (cursor !== undefined && found.length < limit);
  }
  return found;
}

/** Which shadows of the policy copy from one tier of the ladder to another. */
function tiersOf(policy: Policy, ladder: TieredModel): TiersOf {
  const tierOf = new Map([...ladder.ladder].map(([tier, { name }]) => [name, tier]));
  return (model, shadow) => {
    const served = policy.models.get(model);
    const target = served?.kind === 'served' ? served.shadows.find(({ name }) => name === shadow)?.target : undefined;
    const [from, to] = [tierOf.get(model), target?.version === undefined ? tierOf.get(target?.model ?? '') : undefined];
    return from === undefined || to === undefined ? undefined : [from, to];
  };
}

function hintFor({ inputs, logged: file }: TrialValues, { ladder }: TieredModel): string {
  if (inputs !== '') return 'are the servers of every tier up? `sluice status` tells';
  const [[, first] = ['', { name: '' }]] = [...ladder];
  const last = [...ladder.values()].at(-1)?.name;
  return `${file === '' ? '' : `does ${file} belong to this ladder? `}To log pairs, shadow the first tier with the others in the policy, models.${first.name}.shadow: { model: ${last}, sample: 5%, compare: { as: classification, output: ... } }, and wait; or send labelled requests with --inputs`;
}
