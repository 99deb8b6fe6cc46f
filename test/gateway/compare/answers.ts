// Answers and pairs as model servers and mirrors make them.
import type { Pair, Side } from '../../../gateway/flow.ts';

/** An answer with this body. */
export function side(body: string | Buffer, more: Partial<Side> = {}): Side {
  return {
    version: 'v1',
    status: 200,
    contentType: 'application/json',
    body: Buffer.from(body),
    latencyMs: 2,
    server: 'cpu-a',
    ...more,
  };
}

/** A mirrored request with these two answers. */
export function pair(baseline: Side, candidate: Side, more: Partial<Pair> = {}): Pair {
  const at = 1_800_000_000_000;
  return {
    id: 'r-1',
    model: 'digits',
    shadow: 'v2',
    at,
    baseline,
    candidate: { ...candidate, version: 'v2' },
    ...more,
  };
}

/** The body of a v2 answer with these outputs. */
export function v2(...outputs: readonly object[]): string {
  return JSON.stringify({ model_name: 'digits', model_version: '1', id: 'r-1', outputs });
}

/** An output of probabilities, one row. */
export function probabilities(...data: readonly number[]): object {
  return { name: 'probabilities', datatype: 'FP32', shape: [1, data.length], data };
}

/** A binary answer: the JSON that describes it, and the bytes behind. */
export function binary(outputs: readonly object[], ...parts: readonly Buffer[]): Side {
  const head = Buffer.from(v2(...outputs));
  const body = Buffer.concat([head, ...parts]);
  return side(body, { contentType: 'application/octet-stream', headerLength: head.length });
}
