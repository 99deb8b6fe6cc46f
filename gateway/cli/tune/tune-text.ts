import type { CalibrationMethod } from '../../policy/escalation.ts';
import type { Policy, TieredModel } from '../../policy/policy.ts';
import type { Row } from '../../tune/learn-then-test.ts';
import type { Reliability } from '../../tune/reliability.ts';
import { leastPairs, type Tuned } from '../../tune/tune.ts';
import { countText } from '../text/amounts.ts';
import { table } from '../text/table.ts';
import type { Edit } from './policy-patch.ts';
import type { Gathered } from './trials.ts';

/** Rows of the table around the choice. */
const ROUND_THRESHOLDS = [1, 0.999, 0.99, 0.98, 0.97, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5];

type Asked = {
  readonly risk: number;
  readonly delta: number;
  readonly budget: number | undefined;
  readonly last: string;
};

/** What was found, for people. */
export function tunedText(gathered: Gathered, results: readonly Tuned[], asked: Asked, policy: Policy): string {
  const head = [
    `Inputs: ${countText(gathered.trials.length)}, from ${gathered.source}`,
    ...gathered.notes.map((note) => `! ${note}`),
  ];
  return [...head, ...results.map((result) => tierText(gathered, result, asked, policy))].join('\n');
}

function tierText({ trials }: Gathered, result: Tuned, { risk, delta, budget, last }: Asked, policy: Policy): string {
  const { tier, target, pairs, certificate, chosen, allowed, digests, calibration } = result;
  const right =
    target === 'labels'
      ? `the labels; a loss is a wrong answer that ${last} has right`
      : `the answers of ${last}: no labels are known`;
  const costOf = (of: string) => mean(trials.flatMap((trial) => trial.tiers.get(of)?.cost ?? []));
  const [own, more] = [costOf(tier), costOf(last)];
  const rows = shown(certificate.rows, chosen).map((row) => [
    row === chosen ? '>' : '',
    String(row.threshold),
    percent(row.escalated / pairs, 1),
    countText(row.losses),
    percent(row.risk),
    percent(row.upper),
    own === undefined || more === undefined ? '' : percent((own * pairs + more * row.escalated) / (more * pairs), 1),
    row.isCertified ? 'yes' : 'no',
  ]);
  const columns = [
    '',
    'below',
    'passed on',
    'lost',
    'of all',
    `at most (${percent(1 - delta, 0)})`,
    `cost of ${last}`,
    'certified',
  ];
  return [
    `\nTier ${tier}, ${countText(pairs)} pairs. Right are ${right}.`,
    table([columns, ...rows], 1),
    verdict(result, { risk, delta, budget }),
    ...(chosen === undefined ? [] : [escalationText(chosen, pairs)]),
    reliabilityText('As claimed', result.claimed),
    ...(calibration === undefined || result.after === undefined
      ? ['No calibration predicts better than the claims themselves.']
      : [reliabilityText(`Calibrated by ${methodYaml(calibration)}`, result.after)]),
    ...(calibration !== undefined && digests.length !== 1
      ? [
          digests.length === 0
            ? '! No server told which model file it has, so the calibration is bound to none and is not written.'
            : '! The model file changed while these pairs were logged: the calibration is not written. Take newer pairs, with --limit.',
        ]
      : []),
    ...(allowed < 0 && budget === undefined
      ? [`! ${countText(leastPairs(risk, delta))} pairs are the least that can certify this.`]
      : []),
    ...staleText(result, policy),
  ].join('\n');
}

function verdict({ tier, chosen, pairs, allowed, below }: Tuned, { risk, delta, budget }: Omit<Asked, 'last'>): string {
  if (chosen === undefined)
    return budget === undefined
      ? `Cannot certify: ${countText(pairs)} pairs allow ${allowed < 0 ? 'no threshold at all' : `${allowed} losses, and the strictest threshold has more`}.`
      : 'No threshold keeps to the budget.';
  const scale = below === chosen.threshold ? '' : `, which is ${below} after calibration`;
  if (budget !== undefined)
    return `${tier} below ${chosen.threshold}${scale}: the strictest threshold that passes on at most ${percent(budget, 1)}.`;
  return `${tier} below ${chosen.threshold}${scale}: with probability ${percent(1 - delta, 1)} at most ${percent(risk)} are lost (${countText(allowed)} of ${countText(pairs)} would still prove it).`;
}

function escalationText({ escalated }: Row, pairs: number): string {
  const p = escalated / pairs;
  const spread = 1.96 * Math.sqrt((p * (1 - p)) / pairs + 1 / (4 * pairs ** 2));
  return `Expect ${percent(p, 1)} to be passed on (${percent(Math.max(0, p - spread), 1)} to ${percent(Math.min(1, p + spread), 1)}).`;
}

function reliabilityText(what: string, { ece, brier, bins }: Reliability): string {
  const top = bins
    .slice(-4)
    .map(
      ({ confidence, right, count }) =>
        `${confidence.toFixed(3)} claimed, ${right.toFixed(3)} right (${countText(count)})`,
    );
  return `${what}: calibration error ${percent(ece)}, Brier ${brier.toFixed(4)}; ${top.join('; ')}.`;
}

/** The gateway's own word on a budget that the choice does not fit. */
function staleText({ chosen, pairs, tier }: Tuned, policy: Policy): string[] {
  const ladders = [...policy.models.values()].flatMap((model) => (model.kind === 'tiers' ? [model] : []));
  const budget = ladders.find(({ escalation }) => escalation?.below.has(tier))?.escalation?.budget;
  if (chosen === undefined || budget === undefined || chosen.escalated / pairs <= budget) return [];
  return [
    `! The policy's budget of ${percent(budget, 1)} is less than what is passed on: the rest would be answered degraded. Raise it.`,
  ];
}

/** The choice, round thresholds, and its neighbours. */
function shown(rows: readonly Row[], chosen: Row | undefined): readonly Row[] {
  const at = chosen === undefined ? -1 : rows.indexOf(chosen);
  return rows.filter((row, i) => row === chosen || Math.abs(i - at) === 1 || ROUND_THRESHOLDS.includes(row.threshold));
}

/** What the policy is to say. */
export function editsFor(model: string, { escalation }: TieredModel, result: Tuned, today: Date): Edit[] {
  const { tier, below, chosen, calibration, digests, pairs, target } = result;
  if (below === undefined || chosen === undefined) return [];
  const path = ['models', model, 'tiers', 'escalate'];
  const threshold: Edit = { path: [...path, 'below', tier], yaml: String(below) };
  const [digest] = digests;
  const others = (escalation?.calibrations.get(tier) ?? []).filter(({ sha256 }) => sha256 !== digest);
  if (calibration === undefined || digests.length !== 1 || digest === undefined) return [threshold];
  const on = today.toISOString().slice(0, 10);
  const fitted = `fitted: { pairs: ${pairs}, target: ${target}, on: "${on}", escalated: ${+(chosen.escalated / pairs).toFixed(4)} }`;
  const entries = [`{ sha256: ${digest}, ${methodYaml(calibration)}, ${fitted} }`];
  for (const { sha256, method } of others) entries.push(`{ sha256: ${sha256}, ${methodYaml(method)} }`);
  return [threshold, { path: [...path, 'calibration', tier], yaml: `[${entries.join(', ')}]` }];
}

function methodYaml(method: CalibrationMethod): string {
  switch (method.kind) {
    case 'temperature':
      return `temperature: ${method.temperature}`;
    case 'platt':
      return `platt: { a: ${method.a}, b: ${method.b} }`;
    case 'isotonic':
      return `isotonic: [${method.points.map(([from, to]) => `[${from}, ${to}]`).join(', ')}]`;
  }
}

function mean(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(part: number, digits = 2): string {
  return `${(100 * part).toFixed(digits)} %`;
}
