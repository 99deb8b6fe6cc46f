import { type ModelMetadata, PLATFORM, type ServerMetadata } from '../protocol/names.ts';
import type { ReadyVersion } from '../repository/loader.ts';
import { type Models, reasonOf, type Version } from '../repository/models.ts';
import { toMetadata } from '../run/signature.ts';
import type { ModelStatistics } from '../run/statistics.ts';
import { VERSION } from '../settings.ts';

/** What `GET /v2/models/{model}/ready` says. */
export type Readiness = {
  readonly name: string;
  readonly ready: boolean;
  readonly version: string;
  readonly reason?: string;
};

/** One entry of `POST /v2/repository/index`. */
export type IndexEntry = {
  readonly name: string;
  readonly version: string;
  readonly state: 'READY' | 'LOADING' | 'UNLOADING' | 'UNAVAILABLE';
  readonly reason: string;
};

const EXTENSIONS = ['binary_tensor_data', 'classification', 'parameters', 'schedule_policy', 'statistics'];
const STATES = {
  ready: 'READY',
  loading: 'LOADING',
  unloading: 'UNLOADING',
  failed: 'UNAVAILABLE',
  unloaded: 'UNAVAILABLE',
} as const satisfies Record<Version['state'], IndexEntry['state']>;

/** The server's metadata; it lists the extensions that work, by Triton's names. */
export function describeServer(isExplicit: boolean): ServerMetadata {
  const extensions = isExplicit ? [...EXTENSIONS, 'model_repository'] : EXTENSIONS;
  return { name: 'sluice-model-server', version: VERSION, extensions };
}

/** A ready version's metadata; `versions` are those of its model that answer. */
export function describeModel(models: Models, model: string, asked: string | undefined): ModelMetadata {
  const picked = models.pick(model, asked);
  return {
    name: model,
    versions: models.ready(model).map((ready) => ready.version),
    platform: PLATFORM,
    inputs: picked.signature.inputs.map(toMetadata),
    outputs: picked.signature.outputs.map(toMetadata),
    parameters: parametersOf(picked),
  };
}

/** Whether a version, or without one any version of the model, answers. */
export function describeReadiness(models: Models, model: string, asked: string | undefined): Readiness {
  const found = models.find(model, asked);
  const about = { name: model, version: found.version };
  return found.state === 'ready' ? { ...about, ready: true } : { ...about, ready: false, reason: reasonOf(found) };
}

/** Every version of the repository and its state; with `onlyReady`, those that answer. */
export function describeIndex(models: Models, onlyReady: boolean): readonly IndexEntry[] {
  return models
    .all()
    .filter(({ state }) => !onlyReady || state === 'ready')
    .map(({ model, version, state, reason }) => ({ name: model, version, state: STATES[state], reason }));
}

/** The statistics of what was asked for: every version that answers, those of a model, or one. */
export function describeStatistics(
  models: Models,
  model: string | undefined,
  asked: string | undefined,
): { readonly model_stats: readonly ModelStatistics[] } {
  const versions =
    model === undefined ? models.serving() : asked === undefined ? models.ready(model) : [models.pick(model, asked)];
  return {
    model_stats: versions.map((version) =>
      version.statistics.toModelStatistics(version.model, version.version, loadedBytes(version)),
    ),
  };
}

/** The bytes of a version's files in memory: each instance has weights of its own. */
export function loadedBytes({ files, instances }: ReadyVersion): number {
  return files.bytes * instances;
}

function parametersOf(ready: ReadyVersion): ModelMetadata['parameters'] {
  const { version, files, provider, instances, batching } = ready;
  const digests = [...files.digests].map(([name, digest]) => [
    name === 'model.onnx' ? 'sha256' : `sha256:${name}`,
    digest,
  ]);
  return {
    version,
    ...Object.fromEntries(digests),
    bytes: files.bytes,
    provider,
    instances,
    batch_rows: batching?.maxRows ?? 1,
  };
}
