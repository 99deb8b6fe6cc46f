// Reads an answer for comparing: v2 with JSON or binary tensors, v1, or any JSON or text. Lenient in what it takes, bounded
// in what it spends, and it never throws: what cannot be read is a finding.
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { answerOf, tensorOf } from '../../model-server/protocol/answer.ts';
import { BeyondBounds, isObject, type Json, readJson as readText } from '../../model-server/protocol/json.ts';
import { COMPARISON, EXACT } from '../../model-server/protocol/readers.ts';
import type { Side } from '../flow.ts';
import { jsonAt } from './json-at.ts';
import type { Reading } from './output.ts';
import type { CompareSpec } from './spec.ts';

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
  // Digits beyond 2^53 are rare, and to look for them in every text costs more than in the values that were read. Measured on
  // Node 20, 4 MiB of integers of six digits: 13 ms of CPU time in this way, 29 ms for `EXACT` alone; of 64 KiB, 0.14 and 0.42 ms.
  return mayHaveLostDigits(reading) ? readParsed(readText(text, EXACT), body, headerLength, spec) : reading;
}

function readParsed(value: Json, body: Buffer, headerLength: number | undefined, spec: CompareSpec): Reading {
  const answer = answerOf(value, body.subarray(headerLength ?? body.length));
  if (answer === undefined || (answer.protocol === 'v1' && spec.as === 'json')) return opaque(value, spec);
  const confidence = answer.protocol === 'v2' ? confidenceIn(value as JsonObject) : undefined;
  return { kind: 'outputs', outputs: answer.outputs.map((output) => output.decode()), confidence };
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

type JsonObject = { readonly [key: string]: Json };

function confidenceIn({ parameters }: JsonObject): number | undefined {
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
