import { Counter, Gauge, type Registry } from 'prom-client';
import type { LadderStanding } from '../standings.ts';

type Ladders = () => ReadonlyMap<string, LadderStanding>;

/** Adds the metrics of ladders of tiers. `read` is asked at every scrape. */
export function addTierMetrics(registry: Registry, read: Ladders): void {
  const registers = [registry];
  addCounters(registers, read);
  new Counter({
    name: 'sluice_tier_cost_total',
    help: 'In the unit of the policy: spent, and what the last tier alone would have cost, by the group of callers.',
    labelNames: ['model', 'group', 'of'],
    registers,
    collect() {
      this.reset();
      for (const [model, { groups }] of read())
        for (const [group, { spent, alwaysLast }] of Object.entries(groups)) {
          this.inc({ model, group, of: 'spent' }, spent);
          this.inc({ model, group, of: 'always_last' }, alwaysLast);
        }
    },
  });
  addGauges(registers, read);
}

function addCounters(registers: Registry[], read: Ladders): void {
  const counter = (name: string, help: string, label: string, of: (ladder: LadderStanding) => Record<string, number>) =>
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
  counter('sluice_tier_requests_total', 'Requests to a ladder, by the group of callers.', 'group', ({ groups }) =>
    Object.fromEntries(Object.entries(groups).map(([group, { requests }]) => [group, requests])),
  );
}

function addGauges(registers: Registry[], read: Ladders): void {
  new Gauge({
    name: 'sluice_calibration_applied',
    help: '0 while the calibration of a tier is ignored, for it was fitted on another model file.',
    labelNames: ['model', 'tier'],
    registers,
    collect() {
      this.reset();
      for (const [model, { calibrations }] of read())
        for (const [tier, standing] of Object.entries(calibrations))
          this.set({ model, tier }, Number(standing === 'applied'));
    },
  });
  const gauge = (name: string, help: string, of: (ladder: LadderStanding) => number) =>
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
  gauge(
    'sluice_escalation_drift',
    '1 while the share that is passed on is further from what it was tuned for than chance explains.',
    ({ isDrifting }) => Number(isDrifting),
  );
}
