// What the policy wanted to know of requests and could not read: callers without their unit, bodies that rules see nothing in.
import { Counter, type Registry } from 'prom-client';
import { MISSED_REASONS, MISSED_WORDS, type Missed, type MissedReason } from '../flow.ts';
import type { Condition } from '../policy/conditions.ts';
import type { Model, Policy, Unit } from '../policy/policy.ts';

type Input = keyof Missed;
/** Requests by reason; reasons without any are left out. */
export type MissedCounts = Readonly<Partial<Record<MissedReason, number>>>;
/** What was missed of requests to a model, and the same in sentences. */
export type MissedStatus = {
  readonly counts: Readonly<Record<Input, MissedCounts>>;
  readonly sentences: readonly string[];
};

const LOST: Readonly<Record<Input, string>> = {
  unit: 'requests without the unit that sorts them',
  rules: 'requests with a body that the rules could not read',
};

/** Counts by model, as it was called, since the gateway started. */
export class MissedInputs {
  readonly #counter: Counter<'model' | 'input' | 'reason'>;
  readonly #counts = new Map<string, Record<Input, Partial<Record<MissedReason, number>>>>();

  constructor(registry: Registry) {
    this.#counter = new Counter({
      name: 'sluice_missed_inputs_total',
      help: 'Requests that lacked something the policy reads: the unit, or what rules look at in the body.',
      labelNames: ['model', 'input', 'reason'],
      registers: [registry],
    });
  }

  /** Starts the counts of this policy's models at 0. */
  follow({ models }: Pick<Policy, 'models'>): void {
    for (const [model, { unit, rules }] of [...models].map(([name, model]) => [name, readsOf(model)] as const))
      for (const reason of MISSED_REASONS) {
        if (unit !== 'nothing' && (unit === 'body' || reason === 'absent'))
          this.#counter.inc({ model, input: 'unit', reason }, 0);
        if (rules && reason !== 'absent') this.#counter.inc({ model, input: 'rules', reason }, 0);
      }
  }

  add(model: string, missed: Missed): void {
    const counts = this.#counts.get(model) ?? { unit: {}, rules: {} };
    this.#counts.set(model, counts);
    for (const [input, reason] of Object.entries(missed) as [Input, MissedReason][]) {
      counts[input][reason] = (counts[input][reason] ?? 0) + 1;
      this.#counter.inc({ model, input, reason });
    }
  }

  /** What was missed of requests to this model; undefined when nothing was. */
  of(model: string): MissedStatus | undefined {
    const counts = this.#counts.get(model);
    if (counts === undefined) return undefined;
    const sentences = (['unit', 'rules'] as const).flatMap((input) => {
      const reasons = Object.entries(counts[input]) as [MissedReason, number][];
      if (reasons.length === 0) return [];
      const all = reasons.reduce((sum, [, count]) => sum + count, 0);
      const parts = reasons.map(([why, count]) => `${count} because ${MISSED_WORDS[why]}`);
      return [`${LOST[input]}: ${all} (${parts.join(', ')})`];
    });
    return { counts, sentences };
  }
}

/** What a model's policy reads of a request: where its units stand, and whether rules look inside the body. */
function readsOf(model: Model): { readonly unit: Unit['from'] | 'nothing'; readonly rules: boolean } {
  const served = model.kind === 'tiers' ? [...model.ladder.values()] : [model];
  const units = served.flatMap(({ sorting, experiment }) => [sorting?.unit.from, experiment?.buckets.unit.from]);
  const unit = (['body', 'header'] as const).find((from) => units.includes(from)) ?? 'nothing';
  return { unit, rules: model.kind === 'tiers' && model.rules.some(({ when }) => when.some(looksInside)) };
}

function looksInside({ on }: Condition): boolean {
  return on === 'body' || on === 'text_length' || on === 'complexity';
}
