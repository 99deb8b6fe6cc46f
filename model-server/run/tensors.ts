import { badRequest, refusing } from '../errors.ts';
import { DATATYPES, type Datatype } from '../protocol/names.ts';
import { show } from '../protocol/show.ts';
import { countOf, type TensorData } from '../protocol/tensor-bytes.ts';
import { MAX_RANK, nestedLike } from '../protocol/tensor-json.ts';

/** A named tensor, in memory. */
export type Tensor = {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
};

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

/** The memory of some tensors, each once, to be moved to another thread. */
export function memoryOf(tensors: readonly Tensor[]): ArrayBuffer[] {
  return [...new Set(tensors.flatMap(({ data }) => (Array.isArray(data) ? [] : [data.buffer])))];
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
export function readData(data: unknown, datatype: Datatype, shape: readonly number[], where: string): TensorData {
  const { values, levels } = refusing(`${where}: `, () => nestedLike(data, shape));
  const target = allocate(datatype, countOf(shape), where);
  fill(target, values, levels, 0, datatype, where);
  return target;
}

function allocate(datatype: Datatype, count: number, where: string): TensorData {
  if (datatype === 'FP16') {
    throw badRequest(`${where}: FP16 has no JSON form: send it as a binary tensor (parameter binary_data_size)`);
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
  UINT64: integer64(0n, 2n ** 64n - 1n),
  INT8: integer(-0x80, 0x7f),
  INT16: integer(-0x8000, 0x7fff),
  INT32: integer(-0x80000000, 0x7fffffff),
  INT64: integer64(-(2n ** 63n), 2n ** 63n - 1n),
  FP16: () => undefined,
  // A finite number that FP32 can only hold as Infinity would change the model's answer unseen.
  FP32: (value) => {
    const number = float(value);
    return number !== undefined && isFinite32(number) === Number.isFinite(number) ? number : undefined;
  },
  FP64: float,
  // The runtime would cut a string at NUL, unseen.
  BYTES: (value) => (typeof value === 'string' && !value.includes('\0') ? value : undefined),
};

function integer(least: number, most: number): ReadElement {
  return (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most ? value : undefined;
}

/** Whole numbers beyond 2^53 arrive as bigint; a number of that size has lost digits already and is refused. */
function integer64(least: bigint, most: bigint): ReadElement {
  return (value) => {
    const whole = typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(Number(value)) : undefined;
    return whole !== undefined && whole >= least && whole <= most ? whole : undefined;
  };
}

function float(value: unknown): number | undefined {
  return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : undefined;
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
  return `must be a whole number within ${datatype}`;
}
