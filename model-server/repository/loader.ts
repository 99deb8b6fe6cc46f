import type { ResourceLimits } from 'node:worker_threads';
import type { Logger } from 'pino';
import { messageOf, ProviderError, RequestError } from '../errors.ts';
import { readWarmUpRequest } from '../http/v2.ts';
import type { Provider } from '../protocol/provider-names.ts';
import { type BatchLimits, canBatch, saysBatch } from '../run/batch.ts';
import { Instance } from '../run/instance.ts';
import { Runner } from '../run/runner.ts';
import type { Execution, OpenedModel } from '../run/session.ts';
import type { Signature } from '../run/signature.ts';
import { Statistics } from '../run/statistics.ts';
import type { Tensor } from '../run/tensors.ts';
import { batchingProblem, isOfTheModel, sampleInputs, warmUp } from '../run/warm-up.ts';
import { type Labels, readLabels } from './labels.ts';
import { type ModelSettings, readModelSettings } from './model-settings.ts';
import { inspectVersion, type ModelFiles, modelFolderOf, stampVersion, type VersionFolder } from './repository.ts';

/** A version that answers, with the digests of the very files that were loaded. */
export type ReadyVersion = {
  readonly state: 'ready';
  readonly model: string;
  readonly version: string;
  /** Why a later load of this version did not replace it; empty if there was none. */
  readonly reason: string;
  readonly files: ModelFiles;
  readonly settings: ModelSettings;
  readonly signature: Signature;
  readonly labels: Labels;
  readonly provider: Provider;
  readonly instances: number;
  readonly hasRows: boolean;
  readonly batching: BatchLimits | undefined;
  readonly runner: Runner;
  readonly statistics: Statistics;
};

/** What holds for versions whose `model.yaml` says nothing else, and who hears of what. */
export type LoaderOptions = {
  readonly root: string;
  readonly threads: number;
  readonly maxQueue: number;
  readonly providers: readonly Provider[];
  readonly requireProvider: boolean;
  readonly log: Logger;
  readonly onExecution: (version: VersionFolder, execution: Execution) => void;
  /** Called if an inference thread of a version that serves dies. */
  readonly onDeath: (error: Error) => void;
  readonly resourceLimits?: ResourceLimits;
};

/** Loads and warms up a version; rejects with the reason and leaves nothing behind. */
export async function loadVersion(folder: VersionFolder, options: LoaderOptions): Promise<ReadyVersion> {
  const files = await inspectVersion(options.root, folder);
  const settings = await readModelSettings(modelFolderOf(folder), folder.version);
  if (settings.sha256 !== undefined && settings.sha256 !== files.digests.get('model.onnx')) {
    throw new Error('model.onnx is not the file whose sha256 model.yaml states');
  }
  let onDeath = (_error: Error): void => undefined;
  const count = settings.instances ?? 1;
  const instances = Array.from(
    { length: count },
    () => new Instance((error) => onDeath(error), options.resourceLimits),
  );
  try {
    const loaded = await prepare(instances, folder, files, settings, options);
    onDeath = (error) => {
      loaded.runner.fail(new RequestError('internal', 'the inference thread has died', { cause: error }));
      options.onDeath(error);
    };
    return loaded;
  } catch (error) {
    await Promise.all(instances.map((instance) => instance.close()));
    throw error;
  }
}

async function prepare(
  instances: readonly Instance[],
  folder: VersionFolder,
  files: ModelFiles,
  settings: ModelSettings,
  options: LoaderOptions,
): Promise<ReadyVersion> {
  const { model, version } = folder;
  const { signature, provider, notes } = await openAll(instances, files, settings, options);
  const labels = await readLabels(folder.folder, settings, signature);
  checkConfidence(settings, signature);
  const warmUpNotes = await warmUpAll(instances, folder, settings, signature);
  const sample = warmUpNotes.length === 0 ? await sampleOf(folder, settings, signature) : undefined;
  const { batching, note } = await chooseBatching(instances[0], settings, signature, sample);
  for (const each of [...notes, ...warmUpNotes, ...note]) {
    options.log.warn({ model, version }, each);
  }
  if ((await stampVersion(options.root, folder)) !== files.stamp) {
    throw new Error('its files changed while it was loading');
  }
  const statistics = new Statistics();
  const hasRows = canBatch(signature);
  const runner = runnerFor(instances, folder, settings, options, { hasRows, batching, statistics });
  return {
    state: 'ready',
    model,
    version,
    reason: '',
    files,
    settings,
    signature,
    labels,
    provider,
    instances: instances.length,
    hasRows,
    batching,
    runner,
    statistics,
  };
}

function runnerFor(
  instances: readonly Instance[],
  folder: VersionFolder,
  { queue }: ModelSettings,
  options: LoaderOptions,
  { hasRows, batching, statistics }: Pick<ReadyVersion, 'hasRows' | 'batching' | 'statistics'>,
): Runner {
  return new Runner(instances, {
    label: `model ${folder.model} version ${folder.version}`,
    maxQueue: queue?.max ?? options.maxQueue,
    priority: queue?.priority ?? DEFAULT_PRIORITY,
    hasRows,
    batching,
    onExecution: (execution) => {
      statistics.executed(execution, Date.now());
      options.onExecution(folder, execution);
    },
  });
}

const DEFAULT_PRIORITY = 10;
const DEFAULT_BATCHING: BatchLimits = { maxRows: 32, delayMs: 0 };

async function openAll(
  instances: readonly Instance[],
  { path }: ModelFiles,
  settings: ModelSettings,
  options: LoaderOptions,
): Promise<OpenedModel> {
  const providers = settings.providers ?? options.providers;
  const isRequired = settings.require_provider ?? options.requireProvider;
  const opening = {
    path,
    threads: settings.threads ?? options.threads,
    // Where the first must do, the CPU only tells a missing provider from a broken model.
    providers: isRequired ? [...new Set<Provider>([...providers, 'cpu'])] : providers,
    arena: settings.memory.arena,
    device: settings.device,
  };
  const opened = await Promise.all(instances.map((instance) => instance.open(opening)));
  const [first] = opened;
  if (first === undefined) {
    throw new Error('a version needs an instance');
  }
  const fallen = opened.find(({ provider }) => provider !== providers[0]);
  if (fallen !== undefined && isRequired) {
    throw new ProviderError(`provider ${providers[0]} is required: ${fallen.notes.at(-1)}`);
  }
  return fallen ?? first;
}

function checkConfidence({ confidence }: ModelSettings, { outputs }: Signature): void {
  if (confidence !== undefined && !outputs.some(({ name }) => name === confidence.output)) {
    throw new Error(`confidence: the model has no output "${confidence.output}"`);
  }
}

/** Warms up each instance. A sample that the operator gave must run; one made up by us may fail, but within the model alone. */
async function warmUpAll(
  instances: readonly Instance[],
  folder: VersionFolder,
  settings: ModelSettings,
  signature: Signature,
): Promise<readonly string[]> {
  const sample = async () => sampleOf(folder, settings, signature);
  const runs = instances.map(async (instance) => warmUp(instance, signature, await sample()));
  const failure = (await Promise.allSettled(runs)).find(({ status }) => status === 'rejected');
  const reason = failure?.status === 'rejected' ? messageOf(failure.reason) : undefined;
  if (reason !== undefined && settings.warm_up !== undefined) {
    throw new Error(`warm_up: ${settings.warm_up} failed: ${reason}`);
  }
  if (reason !== undefined && !isOfTheModel(reason)) {
    throw new Error(`the runtime cannot run it: ${reason}`);
  }
  return reason === undefined ? [] : [`warm-up with made-up inputs failed, give warm_up in model.yaml: ${reason}`];
}

function sampleOf(folder: VersionFolder, { warm_up }: ModelSettings, signature: Signature): Promise<readonly Tensor[]> {
  return warm_up === undefined
    ? Promise.resolve(sampleInputs(signature, 1))
    : readWarmUpRequest(folder.folder, warm_up, signature);
}

type Batching = { readonly batching: BatchLimits | undefined; readonly note: readonly string[] };

/** What `model.yaml` says; without a word, on for a model that names its batch dimension and was seen to treat it as one. */
async function chooseBatching(
  instance: Instance | undefined,
  { batching }: ModelSettings,
  signature: Signature,
  sample: readonly Tensor[] | undefined,
): Promise<Batching> {
  if (batching === false || (batching === undefined && !saysBatch(signature))) {
    return { batching: undefined, note: [] };
  }
  if (!canBatch(signature)) {
    throw new Error('batching: not every input and output of the model begins with a size that varies');
  }
  const limits = batching && { maxRows: batching.max_rows, delayMs: batching.delay / 1000 };
  const problem =
    instance === undefined || sample === undefined
      ? 'it could not be tried'
      : await batchingProblem(instance, signature, sample).catch(messageOf);
  if (problem === undefined) {
    return { batching: limits ?? DEFAULT_BATCHING, note: [] };
  }
  // The operator's word counts: a model may be random on purpose.
  return { batching: limits, note: [`batching is ${limits ? 'on, but' : 'off:'} ${problem}`] };
}
