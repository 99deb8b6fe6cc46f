// How sure a model was of an answer, read from the answer itself.
import { confidenceOf, widthOf } from '../../model-server/protocol/confidence.ts';
import type { ConfidenceFrom } from '../policy/policy.ts';
import { jsonWithin, valueAt } from './inside.ts';

/** An output of an answer: its values, or its bytes in a binary answer. */
type Output = { readonly shape: readonly number[]; readonly datatype: string; readonly data: unknown };

/** Numbers in row-major order, `width` of them a row. */
type Rows = { readonly values: readonly unknown[]; readonly width: number };

/**
 * The confidence of an answer, in [0, 1]: of a batch that of its least certain row. Undefined when it cannot be read, is
 * missing, no number or out of range: whoever asks must take that for "not sure", never for "sure".
 */
export function confidenceIn(from: ConfidenceFrom, body: Buffer, headerLength: string | undefined): number | undefined {
  const json = jsonWithin(body, headerLength);
  if (json === undefined) return undefined;
  if (from.from === 'field') return inRange(valueAt(json, from.path));
  if (from.from === 'parameter') return inRange(valueAt(json, ['parameters', from.name]));
  const rows = rowsOf(json, from.name, body, Number(headerLength ?? body.length));
  return rows && confidenceOf(rows.values, rows.width, from.as);
}

function inRange(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined;
}

/** The rows of an output of a v2 answer, JSON or binary, or of v1's predictions; undefined when it is not there. */
function rowsOf(json: object, name: string, body: Buffer, headerLength: number): Rows | undefined {
  const { outputs, predictions } = json as { outputs?: unknown; predictions?: unknown };
  if (Array.isArray(predictions)) return predictedRows(predictions.map((each) => namedIn(each, name)));
  if (!Array.isArray(outputs)) return undefined;
  const output = outputNamed(outputs, name, body.subarray(headerLength));
  if (output === undefined || !isFloat(output.datatype)) return undefined;
  const values = output.data instanceof Uint8Array ? numbersIn(output) : flat(output.data);
  const size = output.shape.reduce((product, dim) => product * dim, 1);
  return values.length === size ? { values, width: widthOf(output.shape) } : undefined;
}

/** Each prediction is one input's, so numbers without brackets of their own are rows of one. */
function predictedRows(predictions: readonly unknown[]): Rows | undefined {
  const rows = predictions.map(flat);
  const width = innermost(predictions[0]);
  return rows.every((row) => row.length === rows[0]?.length) ? { values: rows.flat(), width } : undefined;
}

/** How long the innermost list is; 1 without any. */
function innermost(value: unknown): number {
  let [width, inside] = [1, value];
  while (Array.isArray(inside)) [width, inside] = [inside.length, inside[0]];
  return width;
}

/** Whole numbers are labels or counts, whatever their values. */
function isFloat(datatype: string): boolean {
  return datatype.startsWith('FP') || datatype === 'BF16';
}

function namedIn(prediction: unknown, name: string): unknown {
  const isNamed = typeof prediction === 'object' && prediction !== null && Object.hasOwn(prediction, name);
  return isNamed ? (prediction as Record<string, unknown>)[name] : prediction;
}

function outputNamed(outputs: readonly unknown[], name: string, binary: Buffer): Output | undefined {
  let start = 0;
  for (const output of outputs) {
    if (typeof output !== 'object' || output === null) return undefined;
    const { shape, datatype, data, parameters } = output as Partial<Output> & { parameters?: object };
    const size = valueAt(parameters, ['binary_data_size']);
    const end = start + (typeof size === 'number' ? size : 0);
    if ((output as { name?: unknown }).name === name) {
      if (!Array.isArray(shape) || typeof datatype !== 'string') return undefined;
      return { shape, datatype, data: typeof size === 'number' ? binary.subarray(start, end) : data };
    }
    start = end;
  }
  return undefined;
}

/** Little-endian floats of the binary tensor extension. */
function numbersIn({ datatype, data }: Output): number[] {
  const bytes = data as Buffer;
  const width = datatype === 'FP64' ? 8 : 4;
  if (datatype !== 'FP32' && datatype !== 'FP64') return [];
  const read = (i: number) => (width === 8 ? bytes.readDoubleLE(i * 8) : bytes.readFloatLE(i * 4));
  return Array.from({ length: Math.floor(bytes.length / width) }, (_, i) => read(i));
}

function flat(value: unknown): unknown[] {
  return Array.isArray(value) ? value.flat(8) : [value];
}
