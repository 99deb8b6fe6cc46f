// How sure a model was of an answer, read from the answer itself.
import type { ConfidenceFrom } from '../policy/policy.ts';
import { readJson, valueAt } from './inside.ts';

/** Probabilities that were rounded may sum to a little more than one. */
const ROUNDING = 1e-3;

/** An output of an answer: its values, or its bytes in a binary answer. */
type Output = { readonly shape: readonly number[]; readonly datatype: string; readonly data: unknown };

/**
 * The confidence of an answer, in [0, 1]: of a batch that of its least certain row. Undefined when it cannot be read, is
 * missing, no number or out of range: whoever asks must take that for "not sure", never for "sure".
 */
export function confidenceOf(from: ConfidenceFrom, body: Buffer, headerLength: string | undefined): number | undefined {
  const json = readJson(body, headerLength);
  if (json === undefined) return undefined;
  if (from.from === 'field') return inRange(valueAt(json, from.path));
  if (from.from === 'parameter') return inRange(valueAt(json, ['parameters', from.name]));
  const rows = rowsOf(json, from.name, body, Number(headerLength ?? body.length));
  if (rows === undefined || rows.length === 0) return undefined;
  const certainties = rows.map((row) => certaintyOf(row, from.as));
  return certainties.some((each) => each === undefined) ? undefined : Math.min(...(certainties as number[]));
}

function inRange(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined;
}

/**
 * `max`: the largest probability. `margin`: how far it is from the second. `entropy`: 1 - H / ln(classes), so 1 is certain
 * and 0 is an even spread (Shannon's H in nats).
 */
function certaintyOf(row: readonly unknown[], as: 'max' | 'margin' | 'entropy'): number | undefined {
  if (row.length === 0) return undefined;
  let [first, second, entropy, sum] = [0, 0, 0, 0];
  for (const p of row) {
    if (typeof p !== 'number' || !(p >= 0 && p <= 1 + ROUNDING)) return undefined;
    sum += p;
    if (p > 0) entropy -= p * Math.log(p);
    if (p > first) [first, second] = [p, first];
    else if (p > second) second = p;
  }
  if (sum > 1 + ROUNDING * row.length) return undefined; // scores that are no probabilities
  if (as === 'max') return Math.min(first, 1);
  if (as === 'margin') return Math.min(first - second, 1);
  return row.length === 1 ? 1 : Math.min(1, Math.max(0, 1 - entropy / Math.log(row.length)));
}

/** The rows of an output of a v2 answer, JSON or binary, or of v1's predictions; undefined when it is not there. */
function rowsOf(json: object, name: string, body: Buffer, headerLength: number): readonly unknown[][] | undefined {
  const { outputs, predictions } = json as { outputs?: unknown; predictions?: unknown };
  if (Array.isArray(predictions)) return predictions.map((each) => flat(namedIn(each, name)));
  if (!Array.isArray(outputs)) return undefined;
  const output = outputNamed(outputs, name, body.subarray(headerLength));
  if (output === undefined) return undefined;
  const values = output.data instanceof Uint8Array ? numbersIn(output) : flat(output.data);
  const rows = output.shape.length > 1 ? (output.shape[0] ?? 0) : 1;
  const width = values.length / rows;
  if (!Number.isInteger(width) || width === 0) return undefined;
  return Array.from({ length: rows }, (_, i) => values.slice(i * width, (i + 1) * width));
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
