// Logged comparisons of one tier with another, as trials. Only those of shadows serve: they are a random sample of all
// requests, while what was escalated is not.
import type { Comparison } from '../compare/comparison.ts';
import type { ConfidenceFrom } from '../policy/escalation.ts';
import type { Said, Trial } from './trial.ts';

/** The tiers that a shadow compares: the model's own, and that of the model it copies to; undefined for another shadow. */
export type TiersOf = (model: string, shadow: string) => readonly [baseline: string, candidate: string] | undefined;

export type FromComparisons = {
  readonly trials: readonly Trial[];
  /** Comparisons that tell nothing of a single answer: one side failed, several rows, values that were not compared. */
  readonly skipped: number;
};

/** The parameter of an answer whose value a comparison keeps as the confidence. */
const KEPT_PARAMETER = 'confidence';

/**
 * Why logged comparisons say nothing about this confidence; undefined when they do. Of each answer they keep the parameter
 * `confidence`, or without one the highest probability of the compared output.
 */
export function whyNotLogged(from: ConfidenceFrom): string | undefined {
  const isKept = from.from === 'output' ? from.as === 'max' : from.from === 'parameter' && from.name === KEPT_PARAMETER;
  return isKept ? undefined : `logged pairs hold the highest probability, and this ladder reads ${textOf(from)}`;
}

function textOf(from: ConfidenceFrom): string {
  if (from.from === 'output') return `the ${from.as} of the output ${from.name}`;
  return from.from === 'field' ? `the field ${from.path.join('.')}` : `the parameter ${from.name}`;
}

/**
 * Trials by request id: the comparisons of one request with several tiers become one trial. `costs` are the policy's, by
 * tier, and `labels` what is right, by request id.
 */
export function fromComparisons(
  comparisons: readonly Comparison[],
  tiersOf: TiersOf,
  costs: ReadonlyMap<string, number>,
  labels: ReadonlyMap<string, string>,
): FromComparisons {
  const found = new Map<string, Map<string, Said>>();
  let skipped = 0;
  for (const comparison of comparisons) {
    const tiers = tiersOf(comparison.model, comparison.shadow);
    const answers = answersOf(comparison);
    if (tiers === undefined || answers === undefined) {
      skipped++;
      continue;
    }
    const of = found.get(comparison.id) ?? new Map<string, Said>();
    found.set(comparison.id, of);
    for (const [i, side] of [comparison.baseline, comparison.candidate].entries()) {
      const tier = tiers[i] ?? '';
      const { confidence, latencyMs, digest } = side;
      of.set(tier, { answer: answers[i] ?? '', confidence, latencyMs, digest, cost: costs.get(tier) });
    }
  }
  return { trials: [...found].map(([id, tiers]) => ({ id, label: labels.get(id), tiers })), skipped };
}

/** Both answers: labels where classes were compared, else two words that are equal when the answers are. */
function answersOf({ kind, fields }: Comparison): readonly [string, string] | undefined {
  if (kind !== 'same' && kind !== 'different') return undefined;
  const classes = fields.find((field) => field.as === 'classification');
  if (classes?.as !== 'classification') return ['this', kind === 'same' ? 'this' : 'that'];
  const [cell, ...others] = classes.cells;
  return cell === undefined || others.length > 0 || classes.rows !== 1 ? undefined : [cell[0], cell[1]];
}
