// Requests of one arm at one gateway in one second: those of which nothing is told but their number are drawn as numbers,
// and one by one only while servers or the candidate are in a state that makes them differ.
import type { Counts, Result } from './counts.ts';
import type { Arm, Crowd } from './crowd.ts';
import type { Cause, Later, Retries } from './later.ts';
import { poisson, type Random, wholeBelow } from './random.ts';
import type { Fleet, Served, Server } from './servers.ts';
import type { Speeds } from './speeds.ts';
import type { CandidateSpec } from './world-spec.ts';

export type ArmName = 'candidate' | 'baseline';

/** One arm at one gateway in one second. */
export type Lane = {
  readonly name: ArmName;
  readonly gateway: number;
  readonly arm: Arm;
  /** Answers that take longer are slow, before the candidate's own slowness. */
  readonly limitMs: number;
  /** Where in the table of latencies the slow ones begin. */
  readonly cut: number;
  readonly counts: Counts;
};

/** A request that ends in a later second than the one it came in. */
export type Late = { readonly gateway: number; readonly name: ArmName; readonly result: Result };

/** How the candidate differs in this second. */
type Defect = { readonly errors: number; readonly slower: number };

const HEALTHY: Defect = { errors: 0, slower: 1 };

/** So many of its first answers have no latency where the candidate is warmed up. */
const UNTIMED = 20;

/** What requests go through. */
export type Surroundings = {
  readonly crowd: Crowd;
  readonly speeds: Speeds;
  readonly fleet: Fleet;
  readonly retries: Retries;
  readonly late: Later<Late>;
  readonly timeoutMs: number;
  readonly random: Random;
};

export class Requests {
  readonly #spec: CandidateSpec;
  readonly #crowd: Crowd;
  readonly #speeds: Speeds;
  readonly #fleet: Fleet;
  readonly #retries: Retries;
  readonly #late: Later<Late>;
  readonly #timeoutMs: number;
  readonly #random: Random;
  #at = -1;
  #defect = HEALTHY;
  /** By the candidate, as far as it matters whether they are the first. */
  #answers = 0;

  constructor(spec: CandidateSpec, { crowd, speeds, fleet, retries, late, timeoutMs, random }: Surroundings) {
    this.#spec = spec;
    this.#crowd = crowd;
    this.#speeds = speeds;
    this.#fleet = fleet;
    this.#retries = retries;
    this.#late = late;
    this.#timeoutMs = timeoutMs;
    this.#random = random;
  }

  /** Begins a second. Returns how many times as slow the candidate is in it. */
  begin(at: number): number {
    this.#at = at;
    this.#defect = defectAt(this.#spec, at);
    return this.#defect.slower;
  }

  /** All requests of this second that are not retries. */
  send(lane: Lane, rate: number): void {
    const { arm, name } = lane;
    if (!(arm.activity > 0) || rate === 0) return;
    const isSpecial = this.#fleet[name].some(({ isTroubled }) => isTroubled) || (name === 'candidate' && this.#isCold);
    if (!isSpecial) {
      this.#sendAlike(lane, rate);
      return;
    }
    for (let i = poisson(rate * arm.activity, this.#random); i > 0; i--) this.ask(lane, arm.anyone());
  }

  /** Draws how many of each kind there are, and one by one only those that are told one by one. */
  #sendAlike(lane: Lane, rate: number): void {
    const { arm, name, limitMs, counts, cut } = lane;
    const random = this.#random;
    const { errors, slower } = name === 'candidate' ? this.#defect : HEALTHY;
    const healthy = Math.max(0, arm.activity - arm.failing);
    for (let i = poisson(rate * arm.failing, random); i > 0; i--) this.#fail(lane, arm.oneFailing(), 'request');
    for (let i = poisson(rate * errors * healthy, random); i > 0; i--)
      this.#fail(lane, this.#oneHealthy(arm), 'candidate');
    for (let i = poisson(rate * (1 - errors) * arm.slow, random); i > 0; i--) {
      const caller = arm.oneSlow();
      const speed = this.#crowd.speed(caller);
      const ms = slower * this.#speeds.drawAbove(limitMs, this.#speeds.partAbove(limitMs, speed), speed, random);
      const kind = ms >= this.#timeoutMs ? 'timeout' : 'ok';
      const latencyMs = Math.min(ms, this.#timeoutMs);
      counts.add({ kind, unit: this.#crowd.unit(caller), server: this.#server(name).id, latencyMs, isTimed: true });
      if (kind === 'timeout') this.#retries.failed(this.#at, caller, 'server', false);
    }
    for (let i = poisson(rate * (1 - errors) * (healthy - arm.slow), random); i > 0; i--) {
      counts.addOrdinary(arm.ordinaryGroup(), name === 'baseline' ? this.#speeds.bucket(cut, random) : 0);
    }
  }

  #fail({ name, counts }: Lane, caller: number, cause: Cause): void {
    const unit = this.#crowd.unit(caller);
    counts.add({ kind: 'model_fault', unit, server: this.#server(name).id, latencyMs: 0, isTimed: false });
    this.#retries.failed(this.#at, caller, cause, false);
  }

  /** Who sends a request that would not fail on its own. */
  #oneHealthy(arm: Arm): number {
    for (;;) {
      const caller = arm.anyone();
      if (this.#random() >= this.#crowd.failing(caller)) return caller;
    }
  }

  /** One request, from its arrival to its end. `retried`: why it failed before, if it did. */
  ask({ name, gateway, counts }: Lane, caller: number, retried?: Cause): void {
    const arrival = this.#random();
    const server = this.#server(name);
    const { slower } = name === 'candidate' ? this.#defect : HEALTHY;
    const { times, isWarm } = name === 'candidate' ? this.#answerOfCandidate() : { times: 1, isWarm: true };
    const ms = this.#speeds.draw(this.#crowd.speed(caller), this.#random) * slower * times;
    const served = server.serve(this.#at + arrival, ms, this.#random);
    const cause = this.#causeOf(name, caller, retried);
    const kind = this.#kindOf(served, cause);
    const latencyMs = Math.min(served.ms, this.#timeoutMs);
    const isTimed = isWarm && (kind === 'ok' || kind === 'timeout');
    const result: Result = { kind, unit: this.#crowd.unit(caller), server: server.id, latencyMs, isTimed };
    const second = this.#at + Math.floor(arrival + latencyMs / 1000);
    if (second > this.#at) this.#late.put(second, { gateway, name, result });
    else counts.add(result);
    const blamed = kind === 'model_fault' ? (cause ?? 'server') : 'server';
    if (kind !== 'ok') this.#retries.failed(second, caller, blamed, retried !== undefined);
  }

  #causeOf(name: ArmName, caller: number, retried: Cause | undefined): Cause | undefined {
    const errors = name === 'candidate' ? this.#defect.errors : 0;
    if (retried === 'request') return 'request';
    if (retried === 'candidate') return errors > 0 ? 'candidate' : undefined;
    if (this.#random() < this.#crowd.failing(caller)) return 'request';
    return this.#random() < errors ? 'candidate' : undefined;
  }

  #kindOf(served: Served, cause: Cause | undefined): Result['kind'] {
    if (served.kind === 'down') return 'server_fault';
    if (served.ms >= this.#timeoutMs) return 'timeout';
    return served.kind === 'failed' || cause !== undefined ? 'model_fault' : 'ok';
  }

  get #isCold(): boolean {
    const { cold } = this.#spec;
    return cold !== undefined && this.#answers < Math.max(cold.answers, cold.isTimedWarm ? UNTIMED : 0);
  }

  #answerOfCandidate(): { readonly times: number; readonly isWarm: boolean } {
    const { cold } = this.#spec;
    const before = this.#answers++;
    if (cold === undefined) return { times: 1, isWarm: true };
    return { times: before < cold.answers ? cold.times : 1, isWarm: !cold.isTimedWarm || before >= UNTIMED };
  }

  #server(name: ArmName): Server {
    const servers = this.#fleet[name];
    const server = servers[servers.length === 1 ? 0 : wholeBelow(servers.length, this.#random)];
    if (server === undefined) throw new Error(`no servers for the ${name}`);
    return server;
  }
}

function defectAt({ errors = 0, slower = 1, when = 0 }: CandidateSpec, at: number): Defect {
  return (typeof when === 'number' ? at >= when : when(at)) ? { errors, slower } : HEALTHY;
}
