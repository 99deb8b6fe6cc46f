import { type Models, reasonOf } from './models.ts';
import { type ModelMetadata, PLATFORM, type ServerMetadata } from './protocol.ts';
import { VERSION } from './settings.ts';
import { toMetadata } from './signature.ts';

/** What `GET /v2/models/{model}/ready` says. */
export type Readiness = {
  readonly name: string;
  readonly ready: boolean;
  readonly version: string;
  readonly reason?: string;
};

/** The server's metadata; extensions are listed once they work. */
export function describeServer(): ServerMetadata {
  return { name: 'sluice-model-server', version: VERSION, extensions: [] };
}

/** A ready version's metadata; `versions` are those of its model that answer. */
export function describeModel(models: Models, model: string, asked: string | undefined): ModelMetadata {
  const { version, signature, sha256, bytes } = models.pick(model, asked);
  return {
    name: model,
    versions: models.ready(model).map((ready) => ready.version),
    platform: PLATFORM,
    inputs: signature.inputs.map(toMetadata),
    outputs: signature.outputs.map(toMetadata),
    parameters: { version, sha256, bytes },
  };
}

/** Whether a version, or without one any version of the model, answers. */
export function describeReadiness(models: Models, model: string, asked: string | undefined): Readiness {
  const found = models.find(model, asked);
  const about = { name: model, version: found.version };
  return found.state === 'ready' ? { ...about, ready: true } : { ...about, ready: false, reason: reasonOf(found) };
}
