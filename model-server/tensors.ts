import { badRequest, RequestError, show } from './errors.ts';
import { DATATYPES, type Datatype } from './protocol.ts';

/** The elements of a tensor: FP16 as its bits, BOOL as 0 and 1, BYTES as strings. */
export type TensorData =
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | string[];

/** A named tensor, in memory. */
export type Tensor = {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
};

const MAX_RANK = 16;
// Some 400 MB of text; V8 cannot hold a string of more than 512 MB.
const MAX_WRITTEN_ELEMENTS = 2 ** 24;

/** Reads a shape as the caller stated it: every dimension a whole number of at least 1, their product countable. */
export function readShape(value: unknown, where: string): readonly number[] {
  if (!Array.isArray(value) || value.length > MAX_RANK) {
    throw badRequest(`${where}: shape must be an array of at most ${MAX_RANK} dimensions, got ${show(value)}`);
  }
  for (const dim of value) {
    if (!Number.isSafeInteger(dim) || dim < 1) {
      throw badRequest(`${where}: every dimension of shape must be a whole number of at least 1, got ${show(value)}`);
    }
  }
  if (!Number.isSafeInteger(countOf(value))) {
    throw badRequest(`${where}: shape ${show(value)} holds more elements than can be counted`);
  }
  return value;
}

/** The number of elements a shape holds. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** The shape that nested arrays seem to have, going by the first element of each. */
export function shapeOf(value: unknown, where: string): readonly number[] {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0]) {
    if (shape.length === MAX_RANK) {
      throw badRequest(`${where} nests deeper than ${MAX_RANK} levels`);
    }
    shape.push(inner.length);
  }
  return readShape(shape, where);
}

/** Reads nested or flat row-major JSON data of a checked shape; nothing is allocated before the data bears the shape out. */
export function readData(value: unknown, datatype: Datatype, shape: readonly number[], where: string): TensorData {
  const values = shape.length === 0 && !Array.isArray(value) ? [value] : value;
  if (!Array.isArray(values)) {
    throw badRequest(`${where}: data must be an array, got ${show(value)}`);
  }
  const nested = shape.length > 1 && Array.isArray(values[0]);
  if (nested) {
    checkNesting(values, shape, 0, where);
  } else if (values.length !== countOf(shape)) {
    const holds = `shape ${show(shape)} holds ${countOf(shape)} elements`;
    throw badRequest(`${where}: ${holds}, data has ${values.length}`);
  }
  const target = allocate(datatype, countOf(shape), where);
  fill(target, values, nested ? shape.length - 1 : 0, 0, datatype, where);
  return target;
}

/** Writes a tensor's elements as one flat JSON array; NaN and Infinity are bare tokens, as Triton writes them. */
export function writeFlat(tensor: Tensor): string {
  checkWritable(tensor);
  return writeRange(tensor, 0, tensor.data.length);
}

/** Writes a tensor as JSON arrays nested like its shape. */
export function writeNested(tensor: Tensor): string {
  checkWritable(tensor);
  return writeBlock(tensor, 0, 0, tensor.data.length);
}

/** Writes the rows of a tensor, one JSON text for each index of its first dimension. */
export function writeRows(tensor: Tensor): readonly string[] {
  checkWritable(tensor);
  const rows = tensor.shape[0] ?? 0;
  const size = tensor.data.length / rows;
  return Array.from({ length: rows }, (_, row) => writeBlock(tensor, 1, row * size, (row + 1) * size));
}

function checkNesting(values: readonly unknown[], shape: readonly number[], depth: number, where: string): void {
  if (values.length !== shape[depth]) {
    const found = `data has ${values.length} at level ${depth + 1}`;
    throw badRequest(`${where}: shape ${show(shape)} asks for ${shape[depth]} elements, ${found}`);
  }
  if (depth === shape.length - 1) {
    return;
  }
  for (const inner of values) {
    if (!Array.isArray(inner)) {
      throw badRequest(`${where}: data is neither flat nor nested like shape ${show(shape)}`);
    }
    checkNesting(inner, shape, depth + 1, where);
  }
}

function allocate(datatype: Datatype, count: number, where: string): TensorData {
  if (datatype === 'FP16') {
    throw badRequest(`${where}: FP16 has no JSON form, and binary tensors are not supported yet`);
  }
  const array = DATATYPES[datatype].array;
  return array === undefined ? new Array<string>(count) : new array(count);
}

/** Copies `values`, nested `levels` deep, into `target` from `at` on and answers where the next element goes. */
function fill(
  target: TensorData,
  values: readonly unknown[],
  levels: number,
  at: number,
  datatype: Datatype,
  where: string,
): number {
  if (levels > 0) {
    return values.reduce((next: number, inner) => {
      return fill(target, Array.isArray(inner) ? inner : [], levels - 1, next, datatype, where);
    }, at);
  }
  const read = ELEMENTS[datatype];
  const cells: { [index: number]: number | bigint | string } = target;
  for (let index = 0; index < values.length; index++) {
    const cell = read(values[index]);
    if (cell === undefined) {
      throw badRequest(`${where}: element ${at + index} of data ${expectation(datatype)}, got ${show(values[index])}`);
    }
    cells[at + index] = cell;
  }
  return at + values.length;
}

type ReadElement = (value: unknown) => number | bigint | string | undefined;

const ELEMENTS: Readonly<Record<Datatype, ReadElement>> = {
  BOOL: (value) => (value === true ? 1 : value === false ? 0 : undefined),
  UINT8: integer(0, 0xff),
  UINT16: integer(0, 0xffff),
  UINT32: integer(0, 0xffffffff),
  UINT64: (value) => (Number.isSafeInteger(value) && Number(value) >= 0 ? BigInt(Number(value)) : undefined),
  INT8: integer(-0x80, 0x7f),
  INT16: integer(-0x8000, 0x7fff),
  INT32: integer(-0x80000000, 0x7fffffff),
  INT64: (value) => (Number.isSafeInteger(value) ? BigInt(Number(value)) : undefined),
  FP16: () => undefined,
  // A finite number that FP32 can only hold as Infinity would change the model's answer unseen.
  FP32: (value) => (typeof value === 'number' && isFinite32(value) === Number.isFinite(value) ? value : undefined),
  FP64: (value) => (typeof value === 'number' ? value : undefined),
  // The runtime would cut a string at NUL, unseen.
  BYTES: (value) => (typeof value === 'string' && !value.includes('\0') ? value : undefined),
};

function integer(least: number, most: number): ReadElement {
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most ? value : undefined;
}

function isFinite32(value: number): boolean {
  return Number.isFinite(Math.fround(value));
}

function expectation(datatype: Datatype): string {
  if (datatype === 'BOOL') {
    return 'must be true or false';
  }
  if (datatype === 'BYTES') {
    return 'must be a string without NUL';
  }
  if (datatype === 'FP32' || datatype === 'FP64') {
    return `must be a number that ${datatype} can hold`;
  }
  return datatype === 'INT64' || datatype === 'UINT64'
    ? `must be a whole number within ${datatype}, and at most 2^53 - 1 in size: JSON numbers beyond lose digits`
    : `must be a whole number within ${datatype}`;
}

function checkWritable(tensor: Tensor): void {
  if (tensor.data.length > MAX_WRITTEN_ELEMENTS) {
    const size = `${tensor.data.length} elements, more than ${MAX_WRITTEN_ELEMENTS}`;
    throw new RequestError('run_failed', `output "${tensor.name}" has ${size}: too many for a JSON answer`);
  }
}

function writeBlock(tensor: Tensor, depth: number, from: number, to: number): string {
  const dim = tensor.shape[depth];
  if (dim === undefined) {
    return writeRange(tensor, from, to).slice(1, -1);
  }
  if (depth === tensor.shape.length - 1) {
    return writeRange(tensor, from, to);
  }
  const size = dim === 0 ? 0 : (to - from) / dim;
  const blocks = Array.from({ length: dim }, (_, index) =>
    writeBlock(tensor, depth + 1, from + index * size, from + (index + 1) * size),
  );
  return `[${blocks.join(',')}]`;
}

function writeRange({ datatype, data }: Tensor, from: number, to: number): string {
  if (Array.isArray(data)) {
    return JSON.stringify(from === 0 && to === data.length ? data : data.slice(from, to));
  }
  const part = from === 0 && to === data.length ? data : data.subarray(from, to);
  if (datatype === 'BOOL') {
    return `[${part.join(',').replaceAll('1', 'true').replaceAll('0', 'false')}]`;
  }
  // join writes shortest round-trip numbers, every digit of a BigInt, and bare NaN and Infinity, in one native call.
  return `[${part.join(',')}]`;
}
