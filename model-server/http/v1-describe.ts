import type { Datatype } from '../protocol/names.ts';
import { type Models, reasonOf } from '../repository/models.ts';
import type { Port } from '../run/signature.ts';
import { SIGNATURE_NAME } from './v1.ts';

/** The answer to `GET /v1/models/{model}`: KServe's fields, and TensorFlow Serving's beside them. */
export type V1Status = {
  readonly name: string;
  readonly version: string;
  readonly ready: boolean;
  readonly reason?: string;
  readonly model_version_status: readonly {
    readonly version: string;
    readonly state: 'AVAILABLE' | 'LOADING' | 'UNLOADING' | 'END';
    readonly status: { readonly error_code: string; readonly error_message: string };
  }[];
};

const STATES = {
  ready: 'AVAILABLE',
  loading: 'LOADING',
  unloading: 'UNLOADING',
  failed: 'END',
  unloaded: 'END',
} as const;
const DTYPES: Readonly<Record<Datatype, string>> = {
  BOOL: 'DT_BOOL',
  UINT8: 'DT_UINT8',
  UINT16: 'DT_UINT16',
  UINT32: 'DT_UINT32',
  UINT64: 'DT_UINT64',
  INT8: 'DT_INT8',
  INT16: 'DT_INT16',
  INT32: 'DT_INT32',
  INT64: 'DT_INT64',
  FP16: 'DT_HALF',
  FP32: 'DT_FLOAT',
  FP64: 'DT_DOUBLE',
  BYTES: 'DT_STRING',
};

/** Whether a model answers, and the state of the versions asked about. */
export function describeV1Status(models: Models, model: string, asked: string | undefined): V1Status {
  const found = models.find(model, asked);
  const versions = asked === undefined ? models.of(model) : [found];
  const reason = found.state === 'ready' ? {} : { reason: reasonOf(found) };
  return {
    name: model,
    version: found.version,
    ready: found.state === 'ready',
    ...reason,
    model_version_status: versions.map((version) => ({
      version: version.version,
      state: STATES[version.state],
      status:
        version.state === 'failed'
          ? { error_code: 'UNKNOWN', error_message: version.reason }
          : { error_code: 'OK', error_message: '' },
    })),
  };
}

/** A model's signature in TensorFlow Serving's words. */
export function describeV1Metadata(models: Models, model: string, asked: string | undefined): unknown {
  const { version, signature } = models.pick(model, asked);
  const inputs = Object.fromEntries(signature.inputs.map((port) => [port.name, tensorInfo(port)]));
  const outputs = Object.fromEntries(signature.outputs.map((port) => [port.name, tensorInfo(port)]));
  const definition = { inputs, outputs, method_name: 'tensorflow/serving/predict' };
  return {
    model_spec: { name: model, signature_name: '', version },
    metadata: { signature_def: { signature_def: { [SIGNATURE_NAME]: definition } } },
  };
}

function tensorInfo({ name, datatype, shape }: Port): unknown {
  const dim = shape.map((size) => ({ size: String(typeof size === 'number' ? size : -1), name: '' }));
  return { dtype: DTYPES[datatype], tensor_shape: { dim, unknown_rank: false }, name };
}
