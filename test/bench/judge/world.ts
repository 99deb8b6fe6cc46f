// Traffic of a world with callers, servers and gateways, second by second, as each gateway's judge is told of it.
import type { Traffic } from '../../../gateway/judge/evidence/tally.ts';
import { type ArmPair, Arms } from './arms.ts';
import { Callers } from './callers.ts';
import { Counts } from './counts.ts';
import { type Crowd, isWithin } from './crowd.ts';
import { Later, Retries } from './later.ts';
import { type Random, randomFrom, wholeBelow } from './random.ts';
import { type ArmName, type Lane, type Late, Requests } from './requests.ts';
import { Fleet } from './servers.ts';
import { Speeds } from './speeds.ts';
import { Strangers } from './strangers.ts';
import type { Block, WorldSpec } from './world-spec.ts';

export type { Block, WorldSpec } from './world-spec.ts';

export type World = {
  /** One second of traffic as one gateway's judge sees it, per gateway: index = gateway. */
  readonly second: (now: Live) => readonly Traffic[];
};

/** What is in force in this second at every gateway. */
export type Live = {
  /** Whole seconds since the start. */
  readonly at: number;
  /** The candidate's slots at each gateway; none where `from` is `to`. */
  readonly blocks: readonly Block[];
  /** Answers that took longer are told one by one; none are when left out. */
  readonly slowFromMs?: number;
};

export function createWorld(spec: WorldSpec, seed: number): World {
  const simulation = new Simulation(spec, seed);
  return { second: (now) => simulation.second(now) };
}

type Place = { readonly block: Block; readonly coin: number } & { readonly [name in ArmName]: Lane };

const TIMEOUT_MS = 1000;

class Simulation {
  readonly #spec: WorldSpec;
  readonly #random: Random;
  readonly #crowd: Crowd;
  readonly #fleet: Fleet;
  readonly #arms: Arms;
  readonly #late = new Later<Late>();
  readonly #retries: Retries;
  readonly #requests: Requests;
  readonly #gateways: number;
  readonly #isSticky: boolean;
  readonly #timeoutMs: number;
  /** When the cycle of the rate begins, in turns. */
  readonly #phase: number;
  #at = -1;

  constructor(spec: WorldSpec, seed: number) {
    const { callers, errors = {}, servers = { pools: { shared: 2 } } } = spec;
    const [create, random] = [randomFrom(seed, 1), randomFrom(seed, 2)];
    this.#spec = spec;
    this.#random = random;
    this.#phase = create();
    const gateways = spec.gateways?.count ?? 1;
    this.#gateways = gateways;
    this.#isSticky = spec.gateways?.isSticky ?? false;
    this.#timeoutMs = servers.timeoutMs ?? TIMEOUT_MS;
    const speeds = new Speeds(spec.latency ?? {});
    this.#crowd =
      callers === 'random'
        ? new Strangers({ errors, gateways }, speeds, random)
        : new Callers({ callers, errors, gateways }, speeds, { create, draw: random });
    this.#fleet = new Fleet(servers, seed);
    this.#arms = new Arms(this.#crowd, speeds, spec.other, this.#isSticky);
    this.#retries = new Retries(spec.retries?.mean ?? 1, random);
    this.#requests = new Requests(spec.candidate ?? {}, {
      crowd: this.#crowd,
      speeds,
      fleet: this.#fleet,
      retries: this.#retries,
      late: this.#late,
      timeoutMs: this.#timeoutMs,
      random,
    });
  }

  second({ at, blocks, slowFromMs = Number.POSITIVE_INFINITY }: Live): readonly Traffic[] {
    this.#goTo(at, blocks.length);
    const slower = this.#requests.begin(at);
    const baseline = Math.min(slowFromMs, this.#timeoutMs);
    const limits = { candidate: baseline / slower, baseline };
    const places = blocks.map((block, gateway) =>
      openPlace(gateway, block, this.#arms.at(gateway, block, limits), slowFromMs),
    );
    for (const { gateway, name, result } of this.#late.take(at)) places[gateway]?.[name].counts.add(result);
    this.#sendAgain(places);
    const rate = rateAt(this.#spec, at, this.#phase) / (this.#isSticky ? 1 : this.#gateways);
    return places.map(({ candidate, baseline, coin }) => {
      this.#requests.send(candidate, rate);
      this.#requests.send(baseline, rate);
      return { candidate: candidate.counts.tally(), baseline: baseline.counts.tally(), coin };
    });
  }

  #goTo(at: number, blocks: number): void {
    if (blocks !== this.#gateways) throw new Error(`${blocks} blocks for ${this.#gateways} gateways`);
    if (!Number.isInteger(at) || at <= this.#at) throw new Error(`second ${at} after second ${this.#at}`);
    if (at > this.#at + 1) {
      this.#late.clear();
      this.#retries.clear();
    }
    this.#at = at;
    this.#crowd.advance(at);
    this.#fleet.advance(at);
  }

  #sendAgain(places: readonly Place[]): void {
    for (const { caller, cause } of this.#retries.take(this.#at)) {
      const place = places[this.#isSticky ? this.#crowd.home(caller) : wholeBelow(this.#gateways, this.#random)];
      if (place === undefined) continue;
      const slot = this.#crowd.slot(caller);
      if (isWithin(slot, [place.block])) this.#requests.ask(place.candidate, caller, cause);
      else if (!isWithin(slot, this.#spec.other === undefined ? [] : [this.#spec.other])) {
        this.#requests.ask(place.baseline, caller, cause);
      }
    }
  }
}

function openPlace(gateway: number, block: Block, pair: ArmPair, slowFromMs: number): Place {
  const lane = (name: ArmName): Lane => ({
    name,
    gateway,
    arm: pair[name],
    limitMs: pair.limits[name],
    cut: pair.cut,
    counts: new Counts(slowFromMs, name === 'baseline' && pair.baseline.activity > 0),
  });
  return { block, coin: pair.coin, candidate: lane('candidate'), baseline: lane('baseline') };
}

function rateAt({ rate, cycle, silences = [] }: WorldSpec, at: number, phase: number): number {
  if (isWithin(at, silences)) return 0;
  return cycle === undefined ? rate : rate * (1 + cycle.depth * Math.sin(2 * Math.PI * (at / cycle.periodS + phase)));
}
