/** The names of the Open Inference Protocol's calls this server and its callers share, and its datatypes. */

/** Every datatype of the protocol with its bytes an element and its array; BYTES has neither, its elements are strings. */
export const DATATYPES = {
  BOOL: { bytes: 1, array: Uint8Array },
  UINT8: { bytes: 1, array: Uint8Array },
  UINT16: { bytes: 2, array: Uint16Array },
  UINT32: { bytes: 4, array: Uint32Array },
  UINT64: { bytes: 8, array: BigUint64Array },
  INT8: { bytes: 1, array: Int8Array },
  INT16: { bytes: 2, array: Int16Array },
  INT32: { bytes: 4, array: Int32Array },
  INT64: { bytes: 8, array: BigInt64Array },
  FP16: { bytes: 2, array: Uint16Array },
  FP32: { bytes: 4, array: Float32Array },
  FP64: { bytes: 8, array: Float64Array },
  BYTES: { bytes: undefined, array: undefined },
} as const;

/** A datatype by its name in the protocol ("Tensor Data Types" of kserve/open-inference-protocol). */
export type Datatype = keyof typeof DATATYPES;

/** Says whether a value names a datatype of the protocol. */
export function isDatatype(value: unknown): value is Datatype {
  return typeof value === 'string' && Object.hasOwn(DATATYPES, value);
}

/** What a model may be called: the same rule for callers, policies and folders. */
export const MODEL_NAME: RegExp = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** What a version of a model may be called: digits, written in one way only. */
export const VERSION_NAME: RegExp = /^(0|[1-9][0-9]{0,14})$/;

/** Another name for a version, such as `stable`; it begins with a letter, so it is never mistaken for a version. */
export const ALIAS_NAME: RegExp = /^[a-z][a-z0-9._-]{0,63}$/;

/** The protocol's header with the length of the JSON that stands before binary tensors. */
export const JSON_LENGTH_HEADER = 'inference-header-content-length';

/** The milliseconds that were left of the caller's deadline when the request was sent. */
export const DEADLINE_HEADER = 'x-sluice-deadline-ms';

/** How sure the model is of its answer, 0 to 1; also the parameter `confidence` of a v2 answer. */
export const CONFIDENCE_HEADER = 'x-sluice-confidence';

/** How this server names its kind of model in metadata: `<project>_<format>`. */
export const PLATFORM = 'onnx_onnxv1';

/** The longest request `id` that is echoed. */
export const MAX_ID_LENGTH = 1024;

/** `$metadata_tensor`: a variable dimension is -1. */
export type TensorMetadata = {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
};

/** The answer to `GET /v2`. */
export type ServerMetadata = {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
};

/** The answer to `GET /v2/models/{model}[/versions/{version}]`. */
export type ModelMetadata = {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
};

/** The body of every refusal and failure, v1 and v2 alike. */
export type ErrorResponse = { readonly error: string };
