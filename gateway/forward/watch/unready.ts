// Versions that no server can answer for: a candidate that never becomes ready gets no callers, so nothing else would report it.
import type { Policy, ServedModel, Version } from '../../policy/policy.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { Seat } from '../fleet/seat.ts';

const TICK_MS = 1000;
/** A version is reported when it has had no ready server for this long: servers that restart one by one are normal. */
const REPORT_AFTER_MS = 10_000;
/** Servers that are named in a sentence. */
const MOST_NAMED = 4;

/** What the policy uses a version for; a version that it only names is `other`. */
export type Role = 'baseline' | 'candidate' | 'arm' | 'shadow' | 'other';

type Named = { readonly model: string; readonly version: string; readonly role: Role };

/** A version, and whether it has a ready server. */
export type VersionReading = Named & { readonly isReady: boolean };

/** A version, and why it has no ready server; undefined when it has one again. */
type News = Named & { readonly unready: Unready | undefined };

/** Since when a version has no ready server (ISO time), and what its servers say, as a sentence. */
export type Unready = { readonly since: string; readonly sentence: string };

type Watched = { readonly since: string; readonly at: number; isReported: boolean };

/** Watches every version of the policy in force. Stops with `close`. */
export class UnreadyVersions {
  readonly #fleet: Fleet;
  readonly #onNews: (news: News) => void;
  readonly #timer: NodeJS.Timeout;
  #policy: Policy;
  #watched = new Map<string, Watched>();

  /** `onNews` hears of a version that has had no ready server for 10 s, and of its end. */
  constructor(fleet: Fleet, policy: Policy, onNews: (news: News) => void) {
    this.#fleet = fleet;
    this.#policy = policy;
    this.#onNews = onNews;
    this.#timer = setInterval(() => this.#tick(performance.now()), TICK_MS).unref();
  }

  update(policy: Policy): void {
    this.#policy = policy;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Every version of the policy in force, and whether it has a ready server; asked at every scrape, so without a word on why. */
  *readings(): Generator<VersionReading> {
    const now = performance.now();
    for (const { version, role } of versionsOf(this.#policy))
      yield { model: version.model, version: version.label, role, isReady: this.#hasReady(version, now) };
  }

  /** Since when this version of a model has no ready server, and why; undefined when it has one. */
  of(model: string, label: string): Unready | undefined {
    const served = this.#policy.models.get(model);
    const version = served?.kind === 'served' ? served.versions.get(label) : undefined;
    if (served?.kind !== 'served' || version === undefined) return undefined;
    return this.#hasReady(version, performance.now()) ? undefined : this.#unready(version, roleOf(served, version));
  }

  #tick(now: number): void {
    const before = this.#watched;
    this.#watched = new Map();
    for (const { version, role } of versionsOf(this.#policy)) {
      const key = keyOf(version);
      const known = before.get(key);
      if (this.#hasReady(version, now)) {
        if (known?.isReported) this.#onNews({ model: version.model, version: version.label, role, unready: undefined });
        continue;
      }
      const watched = known ?? { since: new Date().toISOString(), at: now, isReported: false };
      this.#watched.set(key, watched);
      if (watched.isReported || now - watched.at < REPORT_AFTER_MS) continue;
      watched.isReported = true;
      this.#onNews({ model: version.model, version: version.label, role, unready: this.#unready(version, role) });
    }
  }

  #hasReady(version: Version, now: number): boolean {
    return this.#fleet.placementOf(version).seats.some((seat) => seat.isWell(now) && seat.silence === undefined);
  }

  #unready(version: Version, role: Role): Unready {
    const { model, label } = version;
    const since = this.#watched.get(keyOf(version))?.since ?? new Date().toISOString();
    const { seats } = this.#fleet.placementOf(version);
    const said = seats.slice(0, MOST_NAMED).map((seat) => stateOf(seat));
    const rest = seats.length > MOST_NAMED ? `; and ${seats.length - MOST_NAMED} more` : '';
    const what = role === 'other' ? 'version' : role;
    return {
      since,
      sentence: `${what} ${label} of ${model} has no ready server since ${since}: ${said.join('; ')}${rest}`,
    };
  }
}

function stateOf({ server, silence, isReady, refusal }: Seat): string {
  const name = server.address === undefined ? server.name : `${server.name} at ${server.address}`;
  if (silence !== undefined) return `${name} does not answer (${silence})`;
  if (!isReady) return `${name} says that it is not ready${refusal === undefined ? '' : ` (${refusal})`}`;
  return `${name} gets no requests for now, after failures`;
}

function* versionsOf({ models }: Policy): Generator<{ readonly version: Version; readonly role: Role }> {
  for (const model of models.values())
    if (model.kind === 'served')
      for (const version of model.versions.values()) yield { version, role: roleOf(model, version) };
}

/** What the policy uses a version for; of several uses the first in the order of `Role`. */
function roleOf({ baseline, rollouts, experiment, shadows }: ServedModel, version: Version): Role {
  if (version === baseline) return 'baseline';
  if (rollouts.some(({ candidate }) => candidate === version)) return 'candidate';
  if (experiment?.arms.some((arm) => arm.version === version)) return 'arm';
  const isShadow = shadows.some(({ target }) => target.model === version.model && target.version === version.label);
  return isShadow ? 'shadow' : 'other';
}

function keyOf({ model, label }: Version): string {
  return `${model}/${label}`;
}
