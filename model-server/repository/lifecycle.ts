import type { Logger } from 'pino';
import { messageOf, ProviderError, RepositoryError, RequestError } from '../errors.ts';
import { show } from '../protocol/show.ts';
import { type LoaderOptions, loadVersion } from './loader.ts';
import { readAliases } from './model-settings.ts';
import type { Labels, Models, Version } from './models.ts';
import { modelFolderOf, scanRepository, stampVersion, type VersionFolder } from './repository.ts';

/** What loading needs; `onForget` hears of versions that left the repository. */
export type LifecycleOptions = LoaderOptions & { readonly onForget: (version: Labels) => void };

/** What happens to the versions of one server in its life: they are loaded, replaced and taken out of service. */
export class Lifecycle {
  readonly #models: Models;
  readonly #options: LifecycleOptions;
  readonly #log: Logger;
  /** The files of the last attempt to load each version, whether or not it went well. */
  readonly #stamps = new Map<string, string>();
  #turn: Promise<void> = Promise.resolve();
  #hasStarted = false;
  #isClosing = false;
  #providerProblem: ProviderError | undefined;

  constructor(models: Models, options: LifecycleOptions) {
    this.#models = models;
    this.#options = options;
    this.#log = options.log;
  }

  /** Whether the first load of all is over, well or badly. */
  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  /** Whether the first load is over and at least one version answers; later loads do not take it back. */
  get isReady(): boolean {
    return this.#hasStarted && this.#models.serving().length > 0;
  }

  /** The last load that failed because a required provider could not be used. */
  get providerProblem(): ProviderError | undefined {
    return this.#providerProblem;
  }

  /** Loads what is there, of these models only if any are named; one that fails leaves the others serving. */
  async start(found: readonly VersionFolder[], only?: readonly string[]): Promise<void> {
    for (const { model, version } of found) {
      const isWanted = only === undefined || only.includes(model);
      this.#models.set({
        state: isWanted ? 'loading' : 'unloaded',
        model,
        version,
        reason: isWanted ? '' : 'not loaded yet',
      });
    }
    await this.#inTurn(() => this.#bring(found.filter(({ model }) => only === undefined || only.includes(model))));
    this.#hasStarted = true;
  }

  /** Brings what is loaded in line with the repository: new and changed versions are loaded first, then others leave. */
  sync(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosing) {
        return;
      }
      const { versions } = await scanRepository(this.#options.root);
      if (versions.length === 0) {
        // More likely a folder that is not mounted than the wish to serve nothing.
        throw new RepositoryError('the model repository holds nothing any more');
      }
      await this.#bring(versions);
      await this.#drop(this.#models.all().filter((known) => !versions.some((folder) => isSame(folder, known))));
    });
  }

  /** Loads every version of a model anew unless its files are unchanged; rejects if one fails, which then still serves. */
  load(model: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isClosing) {
        throw new RequestError('draining', 'this server is shutting down');
      }
      const { versions } = await scanRepository(this.#options.root);
      const wanted = versions.filter((folder) => folder.model === model);
      if (wanted.length === 0) {
        throw new RequestError('not_found', `the repository holds no model ${show(model)}`);
      }
      // Whoever asks for a failed version again wants another try.
      for (const folder of wanted.filter((each) => hasFailed(this.#models.get(each)))) {
        this.#stamps.delete(keyOf(folder));
      }
      await this.#bring(wanted);
      await this.#drop(this.#models.of(model).filter((known) => !wanted.some((each) => isSame(each, known))));
      const failed = this.#models.of(model).find(hasFailed);
      if (failed !== undefined) {
        throw new RequestError(
          'bad_request',
          `model ${model} version ${failed.version} failed to load: ${failed.reason}`,
        );
      }
    });
  }

  /** Takes every version of a model out of service once its requests are answered. */
  unload(model: string): Promise<void> {
    return this.#inTurn(async () => this.#drop(this.#models.of(model), 'unloaded'));
  }

  /** Starts no further load, lets every request end, then every inference thread. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#inTurn(() => Promise.all(this.#models.serving().map(({ runner }) => runner.close())));
  }

  /** Loads new and changed versions one after the other. */
  async #bring(folders: readonly VersionFolder[]): Promise<void> {
    for (const folder of folders) {
      // A server that is shutting down keeps the rest as it is: not a failure of those versions.
      if (this.#isClosing) {
        return;
      }
      const stamp = await stampVersion(this.#options.root, folder).catch(messageOf);
      if (stamp !== this.#stamps.get(keyOf(folder))) {
        this.#stamps.set(keyOf(folder), stamp);
        await this.#replace(folder);
      }
    }
    for (const folder of new Map(folders.map((each) => [each.model, each])).values()) {
      await this.#readAliases(folder);
    }
  }

  /** Loads one version; what serves until then serves on if that fails, and leaves when its requests are answered if not. */
  async #replace(folder: VersionFolder): Promise<void> {
    const { model, version } = folder;
    const before = this.#models.get(folder);
    const old = before?.state === 'ready' ? before : undefined;
    if (old === undefined) {
      this.#models.set({ state: 'loading', model, version, reason: '' });
    }
    const start = performance.now();
    try {
      const loaded = await loadVersion(folder, this.#options);
      this.#models.set(loaded);
      const ms = Math.round(performance.now() - start);
      const { provider, instances, files } = loaded;
      const sha256 = files.digests.get('model.onnx');
      this.#log.info({ model, version, sha256, provider, instances, batching: loaded.batching, ms }, 'version ready');
      await old?.runner.close();
    } catch (error) {
      const reason = messageOf(error);
      this.#providerProblem = error instanceof ProviderError ? error : this.#providerProblem;
      this.#models.set(old === undefined ? { state: 'failed', model, version, reason } : { ...old, reason });
      this.#log.error({ model, version, reason, serves: old !== undefined }, 'version failed to load');
    }
  }

  async #drop(versions: readonly Version[], state?: 'unloaded'): Promise<void> {
    for (const known of versions) {
      const { model, version } = known;
      this.#stamps.delete(keyOf(known));
      this.#models.set({ state: 'unloading', model, version, reason: '' });
      if (known.state === 'ready') {
        await known.runner.close();
        this.#log.info({ model, version }, 'version unloaded');
      }
      if (state === undefined) {
        this.#models.forget(known);
        this.#options.onForget(known);
      } else {
        this.#models.set({ state, model, version, reason: state });
      }
    }
  }

  /** An alias moves only to a version that answers; until then it stays where it is. */
  async #readAliases(folder: VersionFolder): Promise<void> {
    const { model } = folder;
    try {
      const stated = await readAliases(modelFolderOf(folder));
      const before = this.#models.aliases(model);
      const aliases = new Map<string, string>();
      for (const [alias, version] of stated) {
        const isReady = this.#models.get({ model, version })?.state === 'ready';
        const target = isReady ? version : (before.get(alias) ?? version);
        aliases.set(alias, target);
        if (!isReady) {
          this.#log.warn({ model, alias, version, stays: target }, 'an alias names a version that does not answer');
        }
      }
      this.#models.setAliases(model, aliases);
    } catch (error) {
      this.#log.error(
        { model, reason: messageOf(error) },
        'the aliases of a model cannot be read; they stay as they were',
      );
    }
  }

  /** Loads and unloads never overlap: each would see a state of the other that does not last. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(work);
    this.#turn = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}

/** Whether the last load of a version failed, even if an earlier one serves. */
function hasFailed(version: Version | undefined): boolean {
  return version?.state === 'failed' || (version?.state === 'ready' && version.reason !== '');
}

function keyOf({ model, version }: Labels): string {
  return `${model}/${version}`;
}

function isSame(a: Labels, b: Labels): boolean {
  return a.model === b.model && a.version === b.version;
}
