// The outputs of an answer: v2 with JSON or binary tensors, and v1. What is found is decoded only when it is asked for.
import { widthOf } from './confidence.ts';
import { isObject, type Json } from './json.ts';
import { Malformed } from './malformed.ts';
import { ANSWER_BYTES } from './readers.ts';
import { readBinary } from './tensor-bytes.ts';
import { MAX_RANK, nestedLike } from './tensor-json.ts';

/** Elements in row-major order. */
export type Elements = ArrayLike<number> | ArrayLike<bigint> | readonly Json[];

/** One named output of an answer, decoded. */
export type Output = {
  readonly name: string;
  /** As the protocol names it; `JSON` for what has none: v1 answers and opaque bodies. */
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly values: Elements;
};

/** An output as it was found. Its name is undefined where it has none. */
export type FoundOutput = {
  readonly name: string | undefined;
  /** Throws Malformed when the output is not what it says, or BeyondBounds. */
  readonly decode: () => Output;
};

/** What an answer holds, in its order. v1 writes a model's only output without its name: `isBare`. */
export type Answer = {
  readonly protocol: 'v1' | 'v2';
  readonly isBare: boolean;
  readonly outputs: readonly FoundOutput[];
};

/**
 * The outputs of an answer; undefined when it is of neither protocol. `binary` is what stands behind the JSON. Throws Malformed
 * when the binary part does not hold what the outputs say: then none of its tensors can be trusted.
 */
export function answerOf(json: unknown, binary: Buffer): Answer | undefined {
  if (!isObject(json)) return undefined;
  const { outputs, predictions } = json as { readonly outputs?: Json; readonly predictions?: Json };
  if (isTensorList(outputs)) return { protocol: 'v2', isBare: false, outputs: tensorsOf(outputs, binary) };
  const rows = predictions ?? outputs;
  return rows === undefined ? undefined : predicted(predictions === undefined ? 'outputs' : 'predictions', rows);
}

/** The output of that name, the first of several; undefined when there is none. One without a name is what is asked for. */
export function outputNamed({ isBare, outputs }: Answer, name: string): FoundOutput | undefined {
  return isBare ? outputs[0] : outputs.find((output) => output.name === name);
}

/** The length of a row: the last dimension counts the classes. Each v1 prediction is one input's, so bare numbers are rows of one. */
export function rowWidth({ datatype, shape }: Pick<Output, 'datatype' | 'shape'>): number {
  return datatype === 'JSON' && shape.length === 1 ? 1 : widthOf(shape);
}

type Tensor = { readonly [key: string]: Json };

function isTensorList(value: Json | undefined): value is readonly Tensor[] {
  return Array.isArray(value) && value.every((item) => isObject(item) && typeof item.datatype === 'string');
}

function tensorsOf(written: readonly Tensor[], binary: Buffer): FoundOutput[] {
  let at = 0;
  return written.map((tensor) => {
    const name = typeof tensor.name === 'string' ? tensor.name : undefined;
    const size = isObject(tensor.parameters) ? tensor.parameters.binary_data_size : undefined;
    if (size === undefined) return { name, decode: () => decoded(tensor, undefined) };
    if (!isCount(size)) throw new Malformed(`output ${name} has a binary_data_size that is no whole number`);
    const bytes = binary.subarray(at, at + size);
    at += size;
    if (at > binary.length) throw new Malformed(`the bytes of output ${name} are missing`);
    return { name, decode: () => decoded(tensor, bytes) };
  });
}

function decoded({ name, datatype, shape, data }: Tensor, bytes: Buffer | undefined): Output {
  if (typeof name !== 'string' || typeof datatype !== 'string' || !isShape(shape))
    throw new Malformed('an output lacks its name, datatype or shape');
  try {
    const values = bytes === undefined ? flat(data, shape) : readBinary(bytes, datatype, shape, ANSWER_BYTES);
    return { name, datatype, shape, values };
  } catch (error) {
    throw error instanceof Malformed ? new Malformed(`output ${name}: ${error.message}`) : error;
  }
}

function isShape(value: Json | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every(isCount);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function flat(data: Json | undefined, shape: readonly number[]): readonly Json[] {
  const { values, levels } = nestedLike(data, shape);
  return (levels === 0 ? values : values.flat(levels)) as readonly Json[];
}

/** v1 has rows; rows that are objects hold one output a key (TensorFlow Serving). Columns are an object of outputs. */
function predicted(name: string, value: Json): Answer {
  const first = Array.isArray(value) ? value[0] : value;
  const outputs = isObject(first)
    ? Object.keys(first).map((key) => ({ name: key, decode: () => valueOutput(key, columnOf(value, key)) }))
    : [{ name, decode: () => valueOutput(name, value) }];
  return { protocol: 'v1', isBare: !isObject(first), outputs };
}

function columnOf(value: Json, key: string): Json {
  const at = (row: Json | undefined): Json => (isObject(row) && Object.hasOwn(row, key) ? (row[key] as Json) : null);
  return Array.isArray(value) ? value.map(at) : at(value);
}

function valueOutput(name: string, value: Json): Output {
  return tensorOf(name, value) ?? { name, datatype: 'JSON', shape: [], values: [value] };
}

/** Nested arrays as a tensor with the shape that they have; undefined when they are ragged or hold anything but scalars. */
export function tensorOf(name: string, value: Json): Output | undefined {
  const shape: number[] = [];
  for (let inner: Json | undefined = value; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
  if (shape.length > MAX_RANK || !isEven(value, shape, 0)) return undefined;
  return { name, datatype: 'JSON', shape, values: shape.length === 0 ? [value] : flat(value, shape) };
}

function isEven(value: Json, shape: readonly number[], depth: number): boolean {
  if (depth === shape.length) return typeof value !== 'object' && value !== undefined;
  if (!Array.isArray(value) || value.length !== shape[depth]) return false;
  return value.every((inner: Json) => isEven(inner, shape, depth + 1));
}
