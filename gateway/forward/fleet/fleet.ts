import { isDeepStrictEqual } from 'node:util';
import type { Policy, Version } from '../../policy/policy.ts';
import type { ServerSpec } from '../../policy/servers.ts';
import { AnswerMemory } from '../answer-memory.ts';
import { reacher } from './dial.ts';
import { Placement } from './placement.ts';
import { isNamed, type Place, placesOf, placeText } from './resolve.ts';
import { Server, type ServerReading } from './server.ts';

/** How often the names of servers are looked up. */
const LOOK_UP_EVERY_MS = 5000;

/** A server of the policy, and the processes that its name leads to: one, or one at each address. */
type Entry = { readonly spec: ServerSpec; servers: readonly Server[] };

/** The servers of the policy in force, and where each version runs on them. */
export class Fleet {
  /** What the answers of all servers hold. */
  readonly answers: AnswerMemory;
  #entries: ReadonlyMap<string, Entry>;
  readonly #onLookUpFailed: (error: Error) => void;
  #placements = new Map<string, Placement>();
  /** The same by the version objects of the policy in force, which do not change. */
  #byVersion = new WeakMap<Version, Placement>();
  #lookUps: NodeJS.Timeout;

  /** `onLookUpFailed` hears, at every look, of each server whose name leads nowhere: it stays where it was. */
  constructor({ fleet }: Policy, answers = new AnswerMemory(), onLookUpFailed: (error: Error) => void = () => {}) {
    this.answers = answers;
    this.#onLookUpFailed = onLookUpFailed;
    this.#entries = new Map([...fleet.values()].map((spec) => [spec.name, newEntry(spec)]));
    this.#lookUps = setInterval(() => void this.lookUp(), LOOK_UP_EVERY_MS).unref();
  }

  /** Takes over another policy's servers. One that has not changed keeps its connections, its load and its health. */
  update({ fleet, models }: Policy): void {
    const before = this.#entries;
    const kept = (spec: ServerSpec) => {
      const entry = before.get(spec.name);
      return entry !== undefined && isDeepStrictEqual(entry.spec, spec) ? entry : undefined;
    };
    this.#entries = new Map([...fleet.values()].map((spec) => [spec.name, kept(spec) ?? newEntry(spec)]));
    const staying = new Set([...this.#entries.values()].flatMap(({ servers }) => servers));
    for (const { servers } of before.values()) for (const server of servers) if (!staying.has(server)) retire(server);
    this.#byVersion = new WeakMap();
    for (const [key, { version }] of this.#placements) {
      const model = models.get(version.model);
      if (model?.kind !== 'served' || !model.versions.has(version.label)) this.#placements.delete(key);
    }
    void this.lookUp();
  }

  /** Where a version of the policy in force runs. */
  placementOf(version: Version): Placement {
    const known = this.#byVersion.get(version);
    if (known !== undefined) return known;
    const key = `${version.model}/${version.label}`;
    const placement = this.#placements.get(key) ?? new Placement(version, [], this.answers);
    placement.settle(version, this.#serversOf(version));
    this.#placements.set(key, placement);
    this.#byVersion.set(version, placement);
    return placement;
  }

  /** Looks up every server that is named and not addressed. What cannot be looked up stays as it was. */
  async lookUp(): Promise<void> {
    const named = [...this.#entries.values()].filter(({ spec }) => isNamed(spec.origin));
    const changed = await Promise.all(named.map((entry) => this.#lookUpOne(entry)));
    if (!changed.includes(true)) return;
    for (const placement of this.#placements.values())
      placement.settle(placement.version, this.#serversOf(placement.version));
  }

  /** Every server as it stands at `now`. */
  readings(now: number): ServerReading[] {
    return [...this.#entries.values()].flatMap(({ servers }) => servers.map((server) => server.reading(now)));
  }

  /** Ends every connection once its request is answered. */
  async close(): Promise<void> {
    clearInterval(this.#lookUps);
    const servers = [...this.#entries.values()].flatMap(({ servers }) => servers);
    await Promise.all(servers.map((server) => server.close()));
  }

  /** Ends every connection now. */
  async destroy(): Promise<void> {
    const servers = [...this.#entries.values()].flatMap(({ servers }) => servers);
    await Promise.all(servers.map((server) => server.destroy()));
  }

  #serversOf({ servers }: Version): readonly Server[] {
    return servers.flatMap((name) => this.#entries.get(name)?.servers ?? []);
  }

  /** Whether the name leads elsewhere than before. */
  async #lookUpOne(entry: Entry): Promise<boolean> {
    const found = await placesOf(entry.spec.origin, reacher(entry.spec.origin)).catch((error: Error) => {
      this.#onLookUpFailed(new Error(`server ${entry.spec.name} stays where it was: ${error.message}`));
      return undefined;
    });
    if (found === undefined || this.#entries.get(entry.spec.name) !== entry) return false;
    const before = new Map(entry.servers.map((server) => [server.address, server]));
    const after = found.map((place) => before.get(placeText(place)) ?? newServer(entry.spec, place));
    const isSame = after.length === entry.servers.length && after.every((server) => entry.servers.includes(server));
    if (isSame) return false;
    for (const server of entry.servers) if (!after.includes(server)) retire(server);
    entry.servers = after;
    return true;
  }
}

function newEntry(spec: ServerSpec): Entry {
  return { spec, servers: [newServer(spec, undefined)] };
}

function newServer(spec: ServerSpec, place: Place | undefined): Server {
  return new Server(spec, place, performance.now());
}

/** What is in flight is answered first. */
function retire(server: Server): void {
  void server.close();
}
