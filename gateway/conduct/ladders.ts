// What ladders of tiers have spent and how they do: budgets, latencies, and how often answers were passed on.
import { type CalibrationStanding, calibrated, calibrationOf } from '../decide/calibrate.ts';
import type { Degradation, EscalationReason } from '../decide/escalate.ts';
import { TokenBucket } from '../decide/token-bucket.ts';
import type { Calibration } from '../policy/escalation.ts';
import type { TieredModel } from '../policy/policy.ts';
import type { LadderStanding } from '../standings.ts';
import type { TieringListener } from './ladder-standing.ts';
import { RecentLatency } from './recent-latency.ts';

/** Requests of which the share that was passed on is told. */
const WINDOW = 200;
/** With fewer, a share says little. */
const LEAST = 50;
/** Passing on this many times what the budget allows is no busy hour but a tier that has lost its confidence. */
const ALARM_TIMES = 2;
/** How far the share that is passed on may be from what was tuned for, in standard errors of the last requests. */
const DRIFT_SIGMAS = 4;

export class LadderState {
  readonly #listener: TieringListener;
  #isAlarmed = false;
  #model: TieredModel;
  readonly #bucket: TokenBucket;
  readonly #latency = new Map<string, RecentLatency>();
  readonly #wanted: boolean[] = [];
  #requests = 0;
  readonly #answers: Record<string, number> = {};
  readonly #runs: Record<string, number> = {};
  readonly #escalations = { unsure: 0, invalid: 0, outage: 0 };
  readonly #degraded = { deadline: 0, budget: 0, outage: 0 };
  readonly #groups = new Map<string, { requests: number; spent: number; alwaysLast: number }>();
  readonly #calibrations = new Map<string, CalibrationStanding>();

  constructor(model: TieredModel, listener: TieringListener) {
    this.#model = model;
    this.#listener = listener;
    this.#bucket = new TokenBucket(model.escalation?.budget ?? 0, model.escalation?.burst ?? 0);
    this.#startAtZero();
  }

  /** Takes over another policy's word on the ladder. */
  follow(model: TieredModel): void {
    if (model === this.#model) return;
    this.#model = model;
    this.#startAtZero();
    this.#bucket.limit(model.escalation?.budget ?? 0, model.escalation?.burst ?? 0);
    for (const tier of this.#calibrations.keys())
      if (!model.escalation?.calibrations.has(tier)) this.#calibrations.delete(tier);
  }

  /** What the policy names is counted from 0, and not from its first request. */
  #startAtZero(): void {
    for (const tier of this.#model.ladder.keys()) {
      this.#answers[tier] ??= 0;
      this.#runs[tier] ??= 0;
    }
    const { costGroups } = this.#model;
    for (const group of costGroups === undefined ? ['all'] : [...costGroups.of, 'other']) this.#groupOf(group);
  }

  /** A request of this group of callers has come. */
  begin(group: string): void {
    this.#requests++;
    this.#bucket.deposit();
    const costs = this.#groupOf(group);
    costs.requests++;
    costs.alwaysLast += this.#model.costs.get([...this.#model.ladder.keys()].at(-1) ?? '') ?? 0;
  }

  took(tier: string, latencyMs: number, group: string): void {
    this.#runs[tier] = (this.#runs[tier] ?? 0) + 1;
    this.#groupOf(group).spent += this.#model.costs.get(tier) ?? 0;
    let latency = this.#latency.get(tier);
    if (latency === undefined) {
      latency = new RecentLatency();
      this.#latency.set(tier, latency);
    }
    latency.add(latencyMs, performance.now());
  }

  /** What a claimed confidence is worth by the calibration of this model file; as claimed when there is none. */
  calibrate(tier: string, files: readonly Calibration[], digest: string | undefined, claimed: number): number {
    const { standing, file } = calibrationOf(files, digest);
    if (this.#calibrations.get(tier) !== standing) {
      this.#calibrations.set(tier, standing);
      this.#listener.onCalibration(this.#model.name, tier, standing);
    }
    return file === undefined ? claimed : calibrated(file.method, claimed);
  }

  /** The live p95 of the tier above, in ms; 0 when nothing is known or there is none. */
  p95Above(tier: string): number {
    const tiers = [...this.#model.ladder.keys()];
    return this.#latency.get(tiers[tiers.indexOf(tier) + 1] ?? '')?.p95(performance.now()) ?? 0;
  }

  hasBudget(): boolean {
    return this.#bucket.hasToken();
  }

  passOn(reason: EscalationReason, isPaid: boolean): void {
    this.#escalations[reason]++;
    if (isPaid) this.#bucket.take();
  }

  /** A caller has its answer: of this tier, passed on by those. */
  end(tier: string, passed: readonly string[], degraded: Degradation | undefined): void {
    this.#answers[tier] = (this.#answers[tier] ?? 0) + 1;
    if (degraded !== undefined) this.#degraded[degraded]++;
    this.#wanted.push(passed.length > 0 || degraded !== undefined);
    if (this.#wanted.length > WINDOW) this.#wanted.shift();
    const share = this.#wantedShare();
    const isAlarmed =
      this.#wanted.length >= LEAST && share > Math.min(0.95, ALARM_TIMES * (this.#model.escalation?.budget ?? 1));
    if (isAlarmed === this.#isAlarmed) return;
    this.#isAlarmed = isAlarmed;
    this.#listener.onAlarm(this.#model.name, isAlarmed, share);
  }

  standing(): LadderStanding {
    return {
      requests: this.#requests,
      answers: { ...this.#answers },
      runs: { ...this.#runs },
      escalations: { ...this.#escalations },
      degraded: { ...this.#degraded },
      groups: Object.fromEntries([...this.#groups].map(([group, costs]) => [group, { ...costs }])),
      wantedShare: this.#wantedShare(),
      expectedShare: this.#expectedShare(),
      isDrifting: this.#isDrifting(),
      calibrations: Object.fromEntries(this.#calibrations),
      isAlarmed: this.#isAlarmed,
      cost: this.#cost(),
    };
  }

  #wantedShare(): number {
    return this.#wanted.filter(Boolean).length / Math.max(1, this.#wanted.length);
  }

  /** Of the first tier that tells it: what the ladder passes on begins there. */
  #expectedShare(): number | undefined {
    for (const files of this.#model.escalation?.calibrations.values() ?? [])
      for (const { escalated } of files) if (escalated !== undefined) return escalated;
    return undefined;
  }

  #isDrifting(): boolean {
    const expected = this.#expectedShare();
    const n = this.#wanted.length;
    if (expected === undefined || n < LEAST) return false;
    // A share of 0 or 1 has no spread of its own; one request more or less always may be chance.
    const error = Math.sqrt(Math.max(expected * (1 - expected), 1 / n) / n);
    return Math.abs(this.#wantedShare() - expected) > DRIFT_SIGMAS * error;
  }

  #groupOf(group: string): { requests: number; spent: number; alwaysLast: number } {
    let costs = this.#groups.get(group);
    if (costs === undefined) {
      costs = { requests: 0, spent: 0, alwaysLast: 0 };
      this.#groups.set(group, costs);
    }
    return costs;
  }

  #cost(): LadderStanding['cost'] {
    if (this.#model.costs.size === 0) return undefined;
    const total = { spent: 0, alwaysLast: 0 };
    for (const { spent, alwaysLast } of this.#groups.values()) {
      total.spent += spent;
      total.alwaysLast += alwaysLast;
    }
    return total;
  }
}

/** The ladders of a running gateway. What one has spent survives a new policy. */
export class Tiering {
  readonly #states = new Map<string, LadderState>();
  readonly #listener: TieringListener;

  constructor(listener: TieringListener) {
    this.#listener = listener;
  }

  stateOf(model: TieredModel): LadderState {
    let state = this.#states.get(model.name);
    if (state === undefined) {
      state = new LadderState(model, this.#listener);
      this.#states.set(model.name, state);
    }
    state.follow(model);
    return state;
  }

  /** How a ladder does; undefined before its first request. */
  standingOf(model: string): LadderStanding | undefined {
    return this.#states.get(model)?.standing();
  }

  /** How every ladder does that had a request, and those of the policy that had none. */
  standings(ladders: readonly TieredModel[]): ReadonlyMap<string, LadderStanding> {
    const fresh = ladders.filter(({ name }) => !this.#states.has(name));
    const idle = fresh.map((ladder) => [ladder.name, new LadderState(ladder, this.#listener)] as const);
    return new Map([...this.#states, ...idle].map(([name, state]) => [name, state.standing()]));
  }
}
