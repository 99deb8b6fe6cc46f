// Reads an answer for comparing: v2 with JSON or binary tensors, v1, or any JSON or text. Lenient in what it takes, bounded
// in what it spends, and it never throws: what cannot be read is a finding.
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { BeyondBounds, type Json, readJson as readText } from '../../../model-server/protocol/json.ts';
import { COMPARISON, EXACT } from '../../../model-server/protocol/readers.ts';
import type { Side } from '../../flow.ts';
import { decodeBinary } from './binary.ts';
import { type Elements, type Output, type Reading, sizeOf } from './output.ts';
import type { CompareSpec } from './spec.ts';
import { flatten, jsonAt, tensorOf } from './tensor-of.ts';

const MEBIBYTE = 1024 * 1024;
/** Bytes of an answer beyond which it is not compared; of JSON fewer, for it may unfold into fifty times its bytes. */
const MAX_BYTES = 16 * MEBIBYTE;
const MAX_TEXT_BYTES = 4 * MEBIBYTE;

type Body = Pick<Side, 'body' | 'contentType' | 'encoding' | 'headerLength'>;

/** Decodes an answer as far as the spec needs it. */
export function readAnswer(side: Body, spec: CompareSpec): Reading {
  const most = side.headerLength === undefined ? MAX_TEXT_BYTES : MAX_BYTES;
  if (side.body.length > most) return { kind: 'beyond', reason: `larger than ${most} bytes` };
  if (side.body.length === 0) return unreadable('empty');
  try {
    const plain = { ...side, body: inflated(side) };
    return isJson(plain) ? readJson(plain, spec) : opaque(plain.body.toString('utf8'), spec);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isOurs = error instanceof BeyondBounds || code === 'ERR_BUFFER_TOO_LARGE';
    return { kind: isOurs ? 'beyond' : 'unreadable', reason: message.slice(0, 120) };
  }
}

function unreadable(reason: string): Reading {
  return { kind: 'unreadable', reason };
}

const INFLATERS = { gzip: gunzipSync, 'x-gzip': gunzipSync, deflate: inflateSync, br: brotliDecompressSync };

function inflated({ body, encoding }: Body): Buffer {
  if (encoding === undefined || encoding === 'identity') return body;
  if (!(encoding in INFLATERS)) throw new BeyondBounds(`compressed as ${encoding}`);
  return INFLATERS[encoding as keyof typeof INFLATERS](body, { maxOutputLength: MAX_TEXT_BYTES });
}

const JSON_STARTS = new Set([0x7b, 0x5b]); // { [

function isJson({ body, contentType, headerLength }: Body): boolean {
  if (headerLength !== undefined || contentType.includes('json')) return true;
  // Real servers leave the content type out, or call JSON text.
  return !contentType.includes('event-stream') && JSON_STARTS.has(body[0] ?? 0);
}

function readJson({ body, headerLength }: Body, spec: CompareSpec): Reading {
  if (headerLength !== undefined && (headerLength < 0 || headerLength > body.length))
    return unreadable('inference-header-content-length is out of range');
  if (headerLength !== undefined && headerLength > MAX_TEXT_BYTES)
    throw new BeyondBounds(`its JSON is larger than ${MAX_TEXT_BYTES} bytes`);
  const text = headerLength === undefined ? body.toString('utf8') : body.toString('utf8', 0, headerLength);
  const reading = readParsed(readText(text, COMPARISON), body, headerLength, spec);
  // Digits beyond 2^53 are rare, and reading them exactly costs ten times as much.
  return mayHaveLostDigits(reading) ? readParsed(readText(text, EXACT), body, headerLength, spec) : reading;
}

function readParsed(value: Json, body: Buffer, headerLength: number | undefined, spec: CompareSpec): Reading {
  if (!isObject(value)) return opaque(value, spec);
  const { outputs, predictions, parameters } = value;
  if (isTensorList(outputs))
    return {
      kind: 'outputs',
      outputs: readTensors(outputs, body, headerLength),
      confidence: confidenceIn(parameters),
    };
  const rows = predictions ?? outputs;
  if (rows === undefined || spec.as === 'json') return opaque(value, spec);
  const name = predictions === undefined ? 'outputs' : 'predictions';
  return { kind: 'outputs', outputs: readPredictions(name, rows), confidence: undefined };
}

/** A body without a protocol: the value at `output`, or all of it. */
function opaque(value: Json, { as, output }: CompareSpec): Reading {
  const found = as === 'json' || output === undefined ? value : jsonAt(value, output);
  const name = output ?? 'body';
  const isWhole = as === 'json' || as === 'text' || found === undefined;
  const read = isWhole ? undefined : tensorOf(name, found);
  const outputs = found === undefined ? [] : [read ?? { name, datatype: 'JSON', shape: [], values: [found] }];
  return { kind: 'outputs', outputs, confidence: undefined };
}

type WrittenTensor = { readonly [key: string]: Json };

function isTensorList(value: Json | undefined): value is readonly WrittenTensor[] {
  return Array.isArray(value) && value.every((item) => isObject(item) && typeof item.datatype === 'string');
}

function readTensors(written: readonly WrittenTensor[], body: Buffer, headerLength: number | undefined): Output[] {
  let at = headerLength ?? body.length;
  return written.map((tensor) => {
    const { name, datatype, shape, data, parameters } = tensor;
    if (typeof name !== 'string' || typeof datatype !== 'string' || !isShape(shape))
      throw new SyntaxError('an output lacks its name, datatype or shape');
    const size = isObject(parameters) ? parameters.binary_data_size : undefined;
    if (typeof size === 'number') at += size;
    if (at > body.length) throw new SyntaxError(`the bytes of output ${name} are missing`);
    const values =
      typeof size === 'number' ? decodeBinary(body.subarray(at - size, at), datatype) : flat(data, shape, name);
    if (values.length !== sizeOf(shape)) throw new SyntaxError(`output ${name} does not hold what its shape says`);
    return { name, datatype, shape, values };
  });
}

function isShape(value: Json | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((dim) => Number.isSafeInteger(dim) && Number(dim) >= 0);
}

function flat(data: Json | undefined, shape: readonly number[], name: string): Elements {
  if (!Array.isArray(data)) throw new SyntaxError(`output ${name} has no data`);
  return Array.isArray(data[0]) && shape.length > 1 ? flatten(data, shape.length - 1) : data;
}

/** v1 has rows; rows that are objects hold one output a key (TensorFlow Serving). */
function readPredictions(name: string, value: Json): Output[] {
  const first = Array.isArray(value) ? value[0] : value;
  if (!isObject(first)) return [tensorOf(name, value) ?? { name, datatype: 'JSON', shape: [], values: [value] }];
  const columns = isObject(value) ? value : columnsOf(value as readonly Json[], Object.keys(first));
  return Object.entries(columns).map(
    ([key, column]) => tensorOf(key, column) ?? { name: key, datatype: 'JSON', shape: [], values: [column] },
  );
}

function columnsOf(rows: readonly Json[], keys: readonly string[]): Record<string, Json> {
  return Object.fromEntries(
    keys.map((key) => [key, rows.map((row) => (isObject(row) && Object.hasOwn(row, key) ? (row[key] ?? null) : null))]),
  );
}

function confidenceIn(parameters: Json | undefined): number | undefined {
  const confidence = isObject(parameters) ? parameters.confidence : undefined;
  return typeof confidence === 'number' && confidence >= 0 && confidence <= 1 ? confidence : undefined;
}

function mayHaveLostDigits(reading: Reading): boolean {
  if (reading.kind !== 'outputs') return false;
  return reading.outputs.some(({ datatype, values }) => datatype !== 'FP64' && datatype !== 'FP32' && isUnsafe(values));
}

function isUnsafe(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value);
  if (Array.isArray(value)) return value.some(isUnsafe);
  return (
    typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && Object.values(value).some(isUnsafe)
  );
}

function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
