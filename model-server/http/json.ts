import { isUtf8 } from 'node:buffer';
import { getHeapStatistics } from 'node:v8';
import { badRequest, messageOf, tooLarge } from '../errors.ts';
import { BeyondBounds, type Json, readJson } from '../protocol/json.ts';
import { serverRules } from '../protocol/readers.ts';

/** Of this thread's heap, the share that one body may unfold into. */
const SHARE = 0.5;
const MOST_BYTES = SHARE * getHeapStatistics().heap_size_limit;

/** How numbers are read: `exact` keeps whole numbers beyond 2^53 as bigint, at the price of one more look at the text. */
export type JsonOptions = { readonly exact?: boolean };

/** Parses a request body, by `protocol/json.ts`. Throws RequestError. */
export function parseJson(body: unknown, { exact = false }: JsonOptions = {}): Json {
  if (!Buffer.isBuffer(body) || body.length === 0) {
    throw badRequest('the request has no body: send a JSON object');
  }
  if (!isUtf8(body)) {
    throw badRequest('the body is not valid UTF-8');
  }
  try {
    return readJson(body.toString('utf8'), serverRules(MOST_BYTES, exact));
  } catch (error) {
    throw refusalOf(error);
  }
}

function refusalOf(error: unknown): Error {
  if (!(error instanceof BeyondBounds)) {
    return badRequest(`the body is not valid JSON: ${messageOf(error)}`);
  }
  return error.bound === 'memory'
    ? tooLarge(`the body's ${error.message}: send fewer rows, or binary tensors`)
    : badRequest(`the body ${error.message}`);
}
