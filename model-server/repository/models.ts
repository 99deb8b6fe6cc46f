import { RequestError } from '../errors.ts';
import { show } from '../protocol/show.ts';
import type { ReadyVersion } from './loader.ts';
import type { Aliases } from './model-settings.ts';

/** A version of the repository, whether or not it answers. */
export type Version =
  | ReadyVersion
  | {
      readonly state: 'loading' | 'failed' | 'unloading' | 'unloaded';
      readonly model: string;
      readonly version: string;
      readonly reason: string;
    };

/** What a metric may say about a request: names of the repository only. */
export type Labels = { readonly model: string; readonly version: string };

export const UNKNOWN = '_unknown';
const NO_ALIASES: Aliases = new Map();

/** The models of one server: which versions there are, under which names, and which of them answer. */
export class Models {
  // Versions lie in ascending order.
  readonly #models = new Map<string, Map<string, Version>>();
  readonly #aliases = new Map<string, Aliases>();

  /** Every version there is, ascending within its model. */
  all(): readonly Version[] {
    return [...this.#models.values()].flatMap((versions) => [...versions.values()]);
  }

  /** Every version that answers. */
  serving(): readonly ReadyVersion[] {
    return this.all().filter((version) => version.state === 'ready');
  }

  /** The versions of a model that answer, ascending. */
  ready(model: string): readonly ReadyVersion[] {
    return [...this.#versions(model).values()].filter((version) => version.state === 'ready');
  }

  /** Every version of a model, ascending; refuses an unknown model. */
  of(model: string): readonly Version[] {
    return [...this.#versions(model).values()];
  }

  /** The names of every model of the repository. */
  names(): readonly string[] {
    return [...this.#models.keys()];
  }

  /** The aliases of a model. */
  aliases(model: string): Aliases {
    return this.#aliases.get(model) ?? NO_ALIASES;
  }

  /** The version asked for, or the highest that is ready; refuses what is unknown or not ready. */
  pick(model: string, asked: string | undefined): ReadyVersion {
    const version = this.find(model, asked);
    if (version.state === 'ready') {
      return version;
    }
    throw new RequestError('not_ready', `model ${model} version ${version.version} is not ready: ${reasonOf(version)}`);
  }

  /** The version or alias asked for in whatever state; without one, the highest ready, or else the highest. */
  find(model: string, asked: string | undefined): Version {
    const versions = this.#versions(model);
    const found = asked === undefined ? this.#default(model) : versions.get(this.#resolve(model, asked));
    if (found === undefined) {
      const names = [...[...versions.keys()].slice(-20), ...this.aliases(model).keys()].join(', ');
      throw new RequestError('not_found', `model ${model} has no version ${show(asked)}; it has ${names}`);
    }
    return found;
  }

  /** The labels under which a request for these names is counted. */
  labels(model: string, asked: string | undefined): Labels {
    const versions = this.#models.get(model);
    if (versions === undefined) {
      return { model: UNKNOWN, version: UNKNOWN };
    }
    const found = asked === undefined ? this.#default(model) : versions.get(this.#resolve(model, asked));
    return { model, version: found?.version ?? UNKNOWN };
  }

  /** A version by its own number, in whatever state, if there is one. */
  get({ model, version }: Labels): Version | undefined {
    return this.#models.get(model)?.get(version);
  }

  /** Puts a version in place of the one of its name. */
  set(version: Version): void {
    const versions = this.#models.get(version.model) ?? new Map<string, Version>();
    const isNew = !versions.has(version.version);
    versions.set(version.version, version);
    const sorted = isNew ? new Map([...versions].sort(([a], [b]) => Number(a) - Number(b))) : versions;
    this.#models.set(version.model, sorted);
  }

  /** Names versions of a model anew. */
  setAliases(model: string, aliases: Aliases): void {
    this.#aliases.set(model, aliases);
  }

  /** Removes a version, and with the last one its model. */
  forget({ model, version }: Labels): void {
    const versions = this.#models.get(model);
    versions?.delete(version);
    if (versions?.size === 0) {
      this.#models.delete(model);
      this.#aliases.delete(model);
    }
  }

  #resolve(model: string, asked: string): string {
    return this.aliases(model).get(asked) ?? asked;
  }

  #versions(model: string): ReadonlyMap<string, Version> {
    const versions = this.#models.get(model);
    if (versions === undefined) {
      throw new RequestError('not_found', `there is no model ${show(model)} on this server`);
    }
    return versions;
  }

  #default(model: string): Version | undefined {
    return this.ready(model).at(-1) ?? [...this.#versions(model).values()].at(-1);
  }
}

/** Why a version does not answer. */
export function reasonOf(version: Version): string {
  return version.reason === '' ? version.state : version.reason;
}
