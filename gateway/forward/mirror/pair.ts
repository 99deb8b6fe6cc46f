// A mirrored request as it is compared: the answers of two versions, and what is known of the request.
import { hash } from 'node:crypto';
import { jsonLengthOf } from '../../../model-server/protocol/json-length.ts';
import { JSON_LENGTH_HEADER } from '../../../model-server/protocol/names.ts';
import type { Answer, Facts, Pair, Side } from '../../flow.ts';
import type { Shadow, Version } from '../../policy/policy.ts';
import type { Original } from './original.ts';

/** Characters of texts that callers and servers choose: they wait with every pair, in addition to its bytes, and slices are stored. */
const MAX_TEXT = 128;
const MAX_SLICE = 64;

/** One answer. `digest` is the SHA-256 of the model file that gave it, as far as it is known. */
export function sideOf(
  version: Version,
  { status, fault, headers, body, latencyMs, server }: Answer,
  digest: string | undefined,
): Side {
  return {
    version: version.label,
    status,
    fault,
    contentType: String(headers['content-type'] ?? '').slice(0, MAX_TEXT),
    encoding: encodingIn(headers),
    headerLength: lengthIn(headers),
    body,
    latencyMs,
    server: server ?? '',
    digest,
  };
}

/** The answers to one request, beside each other. */
export function pairOf(
  { facts, version, unit, tier }: Original,
  { name, compare }: Shadow,
  sides: Pick<Pair, 'baseline' | 'candidate' | 'noise'>,
): Pair {
  return {
    id: facts.id,
    model: version.model,
    shadow: name,
    at: Date.now(),
    unit: unit !== undefined && unit.length > MAX_TEXT ? hash('sha256', unit, 'hex') : unit,
    slices: slicesOf(facts, compare.slices, tier),
    baseline: sides.baseline,
    candidate: sides.candidate,
    noise: sides.noise,
    request:
      compare.keep === undefined || compare.keep.requestFields.length === 0
        ? undefined
        : { body: facts.body, headerLength: lengthIn(facts.headers) },
  };
}

function slicesOf({ headers }: Facts, names: readonly string[], tier: string | undefined): Pair['slices'] {
  if (names.length === 0 && tier === undefined) return undefined;
  const slices: Record<string, string> = tier === undefined ? {} : { tier };
  for (const name of names) {
    const value = headers[name];
    if (typeof value === 'string') slices[name] = value.slice(0, MAX_SLICE);
  }
  return slices;
}

/** Bytes of JSON before binary tensors. */
function lengthIn(headers: Facts['headers']): number | undefined {
  const length = headers[JSON_LENGTH_HEADER];
  return length === undefined ? undefined : jsonLengthOf(String(length));
}

/** How a body was compressed: only what was streamed to a caller who asked for it is. */
function encodingIn(headers: Facts['headers']): string | undefined {
  const encoding = headers['content-encoding'];
  return encoding === undefined ? undefined : String(encoding).slice(0, MAX_TEXT).toLowerCase();
}
