/**
 * A writer for ONNX files (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). Every function answers the encoded
 * message, so that a model reads like the graph it is; the numbers are the field numbers of onnx.proto.
 */

import { bytes, float, integer, message, text } from './protobuf.ts';

/** IR 8 with operator set 17 is the pair of ONNX 1.12 (2022); every runtime of the last years reads it. */
const NUMBERS_ONLY: Operators = { irVersion: 8, sets: { '': 17 } };
/** ONNX 1.15 (2023), the first with StringSplit, and onnxruntime's own operators, for the Tokenizer. */
export const WITH_TEXT: Operators = { irVersion: 9, sets: { '': 20, 'com.microsoft': 1 } };

/** TensorProto.DataType, by the protocol's names. */
export const ELEMENT_TYPE = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
} as const;
const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, ints: 7, strings: 8 } as const;

export type ElementType = keyof typeof ELEMENT_TYPE;

/** One encoded message; the tag keeps, say, a tensor from being passed where a node belongs. */
export type Encoded<Kind extends string> = { readonly kind: Kind; readonly bytes: Uint8Array };

export type Graph = {
  readonly name: string;
  readonly nodes: readonly Encoded<'node'>[];
  readonly initializers: readonly Encoded<'tensor'>[];
  readonly inputs: readonly Encoded<'value'>[];
  readonly outputs: readonly Encoded<'value'>[];
};

export type ModelInfo = {
  readonly producer: string;
  readonly doc: string;
  /** ONNX's metadata_props: what a tool shows beside the model. */
  readonly metadata: Readonly<Record<string, string>>;
};

/** Which version of the file format, and of which sets of operators ('' is ONNX's own). */
export type Operators = { readonly irVersion: number; readonly sets: Readonly<Record<string, number>> };

/** What an attribute of a node may be: whole numbers, text, lists of them, or a fraction. */
export type Attribute = number | string | readonly number[] | readonly string[] | { readonly float: number };

/** The bytes of a model.onnx. */
export function model(
  graphMessage: Encoded<'graph'>,
  { producer, doc, metadata }: ModelInfo,
  { irVersion, sets }: Operators = NUMBERS_ONLY,
): Uint8Array {
  return message([
    integer(1, irVersion),
    text(2, producer),
    text(6, doc),
    bytes(7, graphMessage.bytes),
    ...Object.entries(sets).map(([domain, version]) => bytes(8, message([text(1, domain), integer(2, version)]))),
    ...Object.entries(metadata).map(([key, value]) => bytes(14, message([text(1, key), text(2, value)]))),
  ]);
}

export function graph({ name, nodes, initializers, inputs, outputs }: Graph): Encoded<'graph'> {
  return {
    kind: 'graph',
    bytes: message([
      ...nodes.map((node) => bytes(1, node.bytes)),
      text(2, name),
      ...initializers.map((tensor) => bytes(5, tensor.bytes)),
      ...inputs.map((value) => bytes(11, value.bytes)),
      ...outputs.map((value) => bytes(12, value.bytes)),
    ]),
  };
}

/** One operator, `domain:Name` if it is none of ONNX's own. The node is named after its first output. */
export function node(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): Encoded<'node'> {
  const [name = operator, domain] = operator.split(':').reverse();
  return {
    kind: 'node',
    bytes: message([
      ...inputs.map((name) => text(1, name)),
      ...outputs.map((name) => text(2, name)),
      text(3, outputs[0] ?? ''),
      text(4, name),
      ...Object.entries(attributes).map(([key, value]) => bytes(5, attribute(key, value))),
      ...(domain === undefined ? [] : [text(7, domain)]),
    ]),
  };
}

/** A constant; `dims` [] is a scalar. The element type follows from the array. */
export function tensor(name: string, dims: readonly number[], data: Float32Array | BigInt64Array): Encoded<'tensor'> {
  return constant(name, dims, data instanceof Float32Array ? 'FP32' : 'INT64', data);
}

/** A constant of whole numbers from -128 to 127. */
export function bytesTensor(name: string, dims: readonly number[], data: Int8Array): Encoded<'tensor'> {
  return constant(name, dims, 'INT8', data);
}

function constant(
  name: string,
  dims: readonly number[],
  type: ElementType,
  data: Float32Array | BigInt64Array | Int8Array,
): Encoded<'tensor'> {
  const expected = dims.reduce((product, dim) => product * dim, 1);
  if (data.length !== expected)
    throw new Error(`tensor ${name}: [${dims}] needs ${expected} values, not ${data.length}`);
  // raw_data is little-endian, as are all processors that onnxruntime-node has binaries for.
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return {
    kind: 'tensor',
    bytes: message([
      ...dims.map((dim) => integer(1, dim)),
      integer(2, ELEMENT_TYPE[type]),
      text(8, name),
      bytes(9, raw),
    ]),
  };
}

/** An input or output of the graph; a name in place of a number leaves that dimension open ("batch"). */
export function value(name: string, type: ElementType, dims: readonly (number | string)[]): Encoded<'value'> {
  const shape = message(
    dims.map((dim) => bytes(1, message([typeof dim === 'string' ? text(2, dim) : integer(1, dim)]))),
  );
  const tensorType = message([integer(1, ELEMENT_TYPE[type]), bytes(2, shape)]);
  return { kind: 'value', bytes: message([text(1, name), bytes(2, message([bytes(1, tensorType)]))]) };
}

function attribute(name: string, content: Attribute): Uint8Array {
  return message([text(1, name), ...attributeFields(content)]);
}

function attributeFields(content: Attribute): readonly Uint8Array[] {
  if (typeof content === 'number') return [integer(3, content), integer(20, ATTRIBUTE_TYPE.int)];
  if (typeof content === 'string') return [text(4, content), integer(20, ATTRIBUTE_TYPE.string)];
  if ('float' in content) return [float(2, content.float), integer(20, ATTRIBUTE_TYPE.float)];
  const isText = content.some((item) => typeof item === 'string');
  const items = content.map((item) => (typeof item === 'string' ? text(9, item) : integer(8, item)));
  return [...items, integer(20, isText ? ATTRIBUTE_TYPE.strings : ATTRIBUTE_TYPE.ints)];
}
