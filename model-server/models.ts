import type { Logger } from 'pino';
import { messageOf, RequestError, show } from './errors.ts';
import { inspectVersion, isUnchanged, type VersionFolder } from './repository.ts';
import type { Runner, Session } from './runner.ts';
import type { Signature } from './signature.ts';

/** A version that answers, with the digest of the very file that was loaded. */
export type ReadyVersion = {
  readonly state: 'ready';
  readonly model: string;
  readonly version: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly session: Session;
  readonly signature: Signature;
};

/** A version of the repository, whether or not it answers. */
export type Version =
  | ReadyVersion
  | { readonly state: 'loading'; readonly model: string; readonly version: string }
  | { readonly state: 'failed'; readonly model: string; readonly version: string; readonly reason: string };

/** What a metric may say about a request: names of the repository only. */
export type Labels = { readonly model: string; readonly version: string };

const UNKNOWN = '_unknown';

/** The models of one server: which versions there are, and which of them answer. */
export class Models {
  readonly #root: string;
  readonly #runner: Runner;
  readonly #log: Logger;
  // Versions lie in ascending order.
  readonly #models = new Map<string, Map<string, Version>>();

  constructor(root: string, runner: Runner, log: Logger) {
    this.#root = root;
    this.#runner = runner;
    this.#log = log;
  }

  /** Loads versions one after the other; one that fails leaves the others serving. */
  async loadAll(folders: readonly VersionFolder[]): Promise<void> {
    for (const { model, version } of folders) {
      this.#set({ state: 'loading', model, version });
    }
    for (const folder of folders) {
      // A server that is shutting down keeps the rest as it is: not a failure of those versions.
      if (!this.#runner.isUp) {
        return;
      }
      this.#set(await this.#load(folder));
    }
  }

  /** Every version there is, ascending within its model. */
  all(): readonly Version[] {
    return [...this.#models.values()].flatMap((versions) => [...versions.values()]);
  }

  /** Says whether every version finished loading and at least one answers. */
  isReady(): boolean {
    const states = this.all().map(({ state }) => state);
    return states.includes('ready') && !states.includes('loading');
  }

  /** The versions of a model that answer, ascending. */
  ready(model: string): readonly ReadyVersion[] {
    return [...this.#versions(model).values()].filter((version) => version.state === 'ready');
  }

  /** The version asked for, or the highest that is ready; refuses what is unknown or not ready. */
  pick(model: string, asked: string | undefined): ReadyVersion {
    const version = this.find(model, asked);
    if (version.state === 'ready') {
      return version;
    }
    throw new RequestError('not_ready', `model ${model} version ${version.version} is not ready: ${reasonOf(version)}`);
  }

  /** The version asked for in whatever state; without one, the highest ready, or else the highest. */
  find(model: string, asked: string | undefined): Version {
    const versions = this.#versions(model);
    const found = asked === undefined ? this.#default(model) : versions.get(asked);
    if (found === undefined) {
      const names = [...versions.keys()].slice(-20).join(', ');
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
    const version = asked === undefined ? this.#default(model)?.version : versions.get(asked)?.version;
    return { model, version: version ?? UNKNOWN };
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

  #set(version: Version): void {
    const versions = this.#models.get(version.model) ?? new Map<string, Version>();
    this.#models.set(version.model, versions.set(version.version, version));
  }

  async #load(folder: VersionFolder): Promise<Version> {
    const { model, version } = folder;
    const start = performance.now();
    try {
      const file = await inspectVersion(this.#root, folder);
      const { session, signature, notes } = await this.#runner.load(file.path, `model ${model} version ${version}`);
      for (const note of notes) {
        this.#log.warn({ model, version }, note);
      }
      if (!(await isUnchanged(file))) {
        throw new Error('its file changed while it was loading');
      }
      const { sha256, bytes } = file;
      this.#log.info({ model, version, sha256, ms: Math.round(performance.now() - start) }, 'version ready');
      return { state: 'ready', model, version, sha256, bytes, session, signature };
    } catch (error) {
      const reason = messageOf(error);
      this.#log.error({ model, version, reason }, 'version failed to load');
      return { state: 'failed', model, version, reason };
    }
  }
}

/** Why a version does not answer. */
export function reasonOf(version: Version): string {
  return version.state === 'failed' ? version.reason : version.state;
}
