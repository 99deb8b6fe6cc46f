import type { Version } from '../../policy/policy.ts';
import type { ServerClass } from '../../policy/servers.ts';
import { AnswerMemory } from '../answer-memory.ts';
import { choose } from './balance.ts';
import { RetryBudget } from './retry-budget.ts';
import { Seat } from './seat.ts';
import type { Server } from './server.ts';

/** Where one version runs: its seat at each server, what is in flight, and what may be sent again. */
export class Placement {
  budget: RetryBudget;
  /** Shared by all placements of a fleet. */
  readonly answers: AnswerMemory;
  inFlight = 0;
  #version: Version;
  #seats: readonly Seat[] = [];
  /** The preferred class first. */
  #groups: readonly (readonly Seat[])[] = [];

  constructor(version: Version, servers: readonly Server[], answers = new AnswerMemory()) {
    this.answers = answers;
    this.#version = version;
    this.budget = new RetryBudget(version.resending.budget);
    this.settle(version, servers);
  }

  get version(): Version {
    return this.#version;
  }

  get seats(): readonly Seat[] {
    return this.#seats;
  }

  /** Takes over another policy's word on the version, or other servers; a server that stays keeps its seat. */
  settle(version: Version, servers: readonly Server[]): void {
    if (version.resending.budget !== this.#version.resending.budget)
      this.budget = new RetryBudget(version.resending.budget);
    this.#version = version;
    const before = new Map(this.#seats.map((seat) => [seat.server, seat]));
    this.#seats = servers.map((server) => before.get(server) ?? new Seat(server));
    this.#groups = groupsOf(this.#seats, version.prefer);
  }

  /** Whether the version may have one more request in flight. */
  hasRoom(): boolean {
    return this.inFlight < this.#version.maxInFlight;
  }

  /** The seat for a request; undefined when every one is full. `tried` ones are left out. */
  choose(now: number, random: () => number, tried: readonly Seat[]): Seat | undefined {
    return choose(this.#groups, now, random, tried);
  }
}

function groupsOf(seats: readonly Seat[], prefer: ServerClass | undefined): readonly (readonly Seat[])[] {
  if (prefer === undefined) return [seats];
  const isPreferred = ({ server }: Seat) => server.spec.class === prefer;
  return [seats.filter(isPreferred), seats.filter((seat) => !isPreferred(seat))];
}
