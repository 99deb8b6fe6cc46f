// What rules may see inside a request body. Parsed at most once, only for models whose rules look inside, and bounded.
import { BeyondBounds, readJson } from '../../model-server/protocol/json.ts';
import { jsonLengthOf } from '../../model-server/protocol/json-length.ts';
import { POLICY } from '../../model-server/protocol/readers.ts';
import type { Unread } from './plain.ts';

/** Bytes of JSON that are looked at; a longer body is forwarded all the same but gives no signal. */
const MAX_BYTES = 1024 * 1024;

/** The readable part of a request. */
export type Inside = {
  readonly json: unknown;
  /** Every text sent for inference, joined by line breaks; undefined when there is none. */
  readonly text: string | undefined;
  /** Numbers sent for inference, missing ones included; undefined when there is no tensor of numbers. */
  readonly elements: number | undefined;
  /** How many of them are null, NaN or infinite. */
  readonly missing: number | undefined;
};

/**
 * Reads a v2 or v1 request, or any JSON object. `headerLength` is the `Inference-Header-Content-Length` of a binary
 * request: only that much of the body is JSON. A word says why nothing can be read; never throws.
 */
export function lookInside(body: Buffer, headerLength: string | undefined): Inside | Unread {
  const json = jsonIn(body, headerLength);
  if (typeof json === 'string') return json;
  const sent = new Sent();
  for (const tensor of tensorsOf(json)) sent.add(tensor);
  const text = sent.texts.join('\n');
  return {
    json,
    text: text === '' ? undefined : text,
    elements: sent.elements > 0 ? sent.elements : undefined,
    missing: sent.elements > 0 ? sent.missing : undefined,
  };
}

/** The JSON object of a body, or of the head of a binary one; undefined when there is none that can be read within bounds. */
export function jsonWithin(body: Buffer, headerLength: string | undefined): object | undefined {
  const json = jsonIn(body, headerLength);
  return typeof json === 'string' ? undefined : json;
}

/** The same, or why there is none. */
function jsonIn(body: Buffer, headerLength: string | undefined): object | Unread {
  const bytes = jsonPart(body, headerLength);
  if (bytes === undefined) return 'not_json';
  if (bytes.length > MAX_BYTES) return 'too_large';
  try {
    const json = readJson(bytes.toString('utf8'), POLICY);
    return typeof json === 'object' && json !== null ? json : 'not_json';
  } catch (error) {
    return error instanceof BeyondBounds ? 'too_deep' : 'not_json';
  }
}

function jsonPart(body: Buffer, headerLength: string | undefined): Buffer | undefined {
  if (headerLength === undefined) return body;
  const length = jsonLengthOf(headerLength);
  return length > 0 && length <= body.length ? body.subarray(0, length) : undefined;
}

/** The data of v2 inputs, or v1's `instances` or `inputs`. A v2 input without data stands in the binary part of the body. */
function tensorsOf(json: object): unknown[] {
  const { inputs, instances } = json as { inputs?: unknown; instances?: unknown };
  if (instances !== undefined) return [instances];
  if (!Array.isArray(inputs)) return inputs === undefined ? [] : [inputs];
  return inputs.flatMap((input: unknown) => {
    if (typeof input !== 'object' || input === null) return [input];
    if ('data' in input) return [input.data];
    return 'datatype' in input ? [] : [input];
  });
}

/** What was sent, counted over nested lists and objects. */
class Sent {
  readonly texts: string[] = [];
  elements = 0;
  missing = 0;

  add(value: unknown): void {
    if (typeof value === 'string') this.texts.push(value);
    else if (typeof value === 'number' || typeof value === 'boolean' || value === null) {
      this.elements++;
      if (value === null || value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY) this.missing++;
    } else if (Array.isArray(value)) for (const item of value) this.add(item);
    else if (typeof value === 'object') for (const item of Object.values(value)) this.add(item);
  }
}

/** The value at a dotted path such as `parameters.priority` or `instances.0.age`; undefined when there is none. */
export function valueAt(json: unknown, path: readonly string[]): unknown {
  let value = json;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    if (Array.isArray(value) && step === 'length') return undefined; // every list has it, and nobody sent it
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}
