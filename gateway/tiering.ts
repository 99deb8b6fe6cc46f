// What ladders of tiers have spent and how they do: budgets, latencies, and how often answers were passed on.
import type { Degradation, EscalationReason } from './decide/escalate.ts';
import { RecentLatency } from './forward/recent-latency.ts';
import { TokenBucket } from './forward/token-bucket.ts';
import type { TieredModel } from './policy/policy.ts';

/** Requests of which the share that was passed on is told. */
const WINDOW = 200;
/** With fewer, a share says little. */
const LEAST = 50;
/** Passing on this many times what the budget allows is no busy hour but a tier that has lost its confidence. */
const ALARM_TIMES = 2;

/** Running totals of one ladder. */
export type LadderCounts = {
  readonly requests: number;
  /** Answers that callers got, by tier. */
  readonly answers: Readonly<Record<string, number>>;
  /** Predictions that tiers made, by tier: what is paid for. */
  readonly runs: Readonly<Record<string, number>>;
  readonly escalations: Readonly<Record<EscalationReason, number>>;
  readonly degraded: Readonly<Record<Degradation, number>>;
};

/** One ladder as it does now. */
export type LadderStanding = LadderCounts & {
  /** Of the last 200 requests, the part that a tier was not sure of. */
  readonly wantedShare: number;
  /** Whether that is far beyond the budget: then a tier has lost its confidence, or its answers cannot be read. */
  readonly isAlarmed: boolean;
  /** In the policy's unit: spent, and what the last tier alone would have cost. Undefined where the policy has no costs. */
  readonly cost: { readonly spent: number; readonly alwaysLast: number } | undefined;
};

/** Hears when the alarm of a ladder begins and ends. */
export type OnAlarm = (model: string, isAlarmed: boolean, wantedShare: number) => void;

export class LadderState {
  readonly #onAlarm: OnAlarm;
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

  constructor(model: TieredModel, onAlarm: OnAlarm) {
    this.#model = model;
    this.#onAlarm = onAlarm;
    this.#bucket = new TokenBucket(model.escalation?.budget ?? 0, model.escalation?.burst ?? 0);
  }

  /** Takes over another policy's word on the ladder. */
  follow(model: TieredModel): void {
    if (model === this.#model) return;
    this.#model = model;
    this.#bucket.limit(model.escalation?.budget ?? 0, model.escalation?.burst ?? 0);
  }

  begin(): void {
    this.#requests++;
    this.#bucket.deposit();
  }

  took(tier: string, latencyMs: number): void {
    this.#runs[tier] = (this.#runs[tier] ?? 0) + 1;
    let latency = this.#latency.get(tier);
    if (latency === undefined) {
      latency = new RecentLatency();
      this.#latency.set(tier, latency);
    }
    latency.add(latencyMs, performance.now());
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
    this.#onAlarm(this.#model.name, isAlarmed, share);
  }

  standing(): LadderStanding {
    return {
      requests: this.#requests,
      answers: { ...this.#answers },
      runs: { ...this.#runs },
      escalations: { ...this.#escalations },
      degraded: { ...this.#degraded },
      wantedShare: this.#wantedShare(),
      isAlarmed: this.#isAlarmed,
      cost: this.#cost(),
    };
  }

  #wantedShare(): number {
    return this.#wanted.filter(Boolean).length / Math.max(1, this.#wanted.length);
  }

  #cost(): LadderStanding['cost'] {
    const { costs, ladder } = this.#model;
    if (costs.size === 0) return undefined;
    const spent = Object.entries(this.#runs).reduce((sum, [tier, runs]) => sum + runs * (costs.get(tier) ?? 0), 0);
    return { spent, alwaysLast: this.#requests * (costs.get([...ladder.keys()].at(-1) ?? '') ?? 0) };
  }
}

/** The ladders of a running gateway. What one has spent survives a new policy. */
export class Tiering {
  readonly #states = new Map<string, LadderState>();
  readonly #onAlarm: OnAlarm;

  constructor(onAlarm: OnAlarm) {
    this.#onAlarm = onAlarm;
  }

  stateOf(model: TieredModel): LadderState {
    let state = this.#states.get(model.name);
    if (state === undefined) {
      state = new LadderState(model, this.#onAlarm);
      this.#states.set(model.name, state);
    }
    state.follow(model);
    return state;
  }

  /** How a ladder does; undefined before its first request. */
  standingOf(model: string): LadderStanding | undefined {
    return this.#states.get(model)?.standing();
  }

  standings(): ReadonlyMap<string, LadderStanding> {
    return new Map([...this.#states].map(([name, state]) => [name, state.standing()]));
  }
}
