import { Counter, Gauge, type Registry } from 'prom-client';

/** What is read of one ladder at a scrape. */
export type LadderReading = {
  readonly requests: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly runs: Readonly<Record<string, number>>;
  readonly escalations: Readonly<Record<string, number>>;
  readonly degraded: Readonly<Record<string, number>>;
  readonly wantedShare: number;
  readonly isAlarmed: boolean;
  readonly cost: { readonly spent: number; readonly alwaysLast: number } | undefined;
};

/** Adds the metrics of ladders of tiers. `read` is asked at every scrape. */
export function addTierMetrics(registry: Registry, read: () => ReadonlyMap<string, LadderReading>): void {
  const registers = [registry];
  const counter = (name: string, help: string, label: string, of: (ladder: LadderReading) => Record<string, number>) =>
    new Counter({
      name,
      help,
      labelNames: ['model', label],
      registers,
      collect() {
        this.reset();
        for (const [model, ladder] of read())
          for (const [value, count] of Object.entries(of(ladder))) this.inc({ model, [label]: value }, count);
      },
    });
  counter('sluice_tier_answers_total', 'Answers that callers got, by the tier.', 'tier', ({ answers }) => ({
    ...answers,
  }));
  counter('sluice_tier_runs_total', 'Predictions that a tier made, also those passed on.', 'tier', ({ runs }) => ({
    ...runs,
  }));
  counter('sluice_escalations_total', 'Answers that a tier passed on, by the reason.', 'reason', ({ escalations }) => ({
    ...escalations,
  }));
  counter(
    'sluice_degraded_total',
    'Answers that should have been passed on and were not.',
    'reason',
    ({ degraded }) => ({
      ...degraded,
    }),
  );
  counter(
    'sluice_tier_cost_total',
    'In the unit of the policy: spent, and what the last tier alone would have cost.',
    'of',
    ({ cost }) => (cost === undefined ? {} : { spent: cost.spent, always_last: cost.alwaysLast }),
  );
  const gauge = (name: string, help: string, of: (ladder: LadderReading) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ['model'],
      registers,
      collect() {
        this.reset();
        for (const [model, ladder] of read()) this.set({ model }, of(ladder));
      },
    });
  gauge(
    'sluice_escalation_ratio',
    'Of the last 200 requests, the part that a tier was not sure of.',
    ({ wantedShare }) => wantedShare,
  );
  gauge('sluice_escalation_alarm', '1 while that is more than twice the budget.', ({ isAlarmed }) => Number(isAlarmed));
}
