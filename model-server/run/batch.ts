import type { TensorData } from '../protocol/tensor-bytes.ts';
import type { Signature } from './signature.ts';
import type { Tensor } from './tensors.ts';

/** How many rows one run may take, and how long the first of them waits for others, in milliseconds. */
export type BatchLimits = { readonly maxRows: number; readonly delayMs: number };

/** A request as the choice of a batch sees it: `key` is equal for those that can share a run. */
export type Candidate = { readonly rows: number; readonly key: string; readonly since: number };

/** What to run now, or how long to wait for more. */
export type NextBatch<T> = { readonly take: readonly T[] } | { readonly waitMs: number };

/**
 * Chooses the next run from a line that is not empty: its head, and of those behind it that fit into the same tensor as
 * many as `maxRows` rows allow, in order. A head of more rows than that runs alone. Without limits everybody runs alone.
 */
export function nextBatch<T extends Candidate>(
  line: readonly [T, ...T[]],
  limits: BatchLimits | undefined,
  now: number,
): NextBatch<T> {
  const [head] = line;
  if (limits === undefined) {
    return { take: [head] };
  }
  const take: T[] = [];
  let rows = 0;
  for (const next of line) {
    if (next.key !== head.key) {
      continue;
    }
    // Whoever does not fit ends the batch: a smaller one behind must not overtake for ever.
    if (take.length > 0 && rows + next.rows > limits.maxRows) {
      return { take };
    }
    take.push(next);
    rows += next.rows;
  }
  const oldest = Math.min(...take.map(({ since }) => since));
  const waitMs = oldest + limits.delayMs - now;
  return rows >= limits.maxRows || waitMs <= 0 ? { take } : { waitMs };
}

/** Says whether every tensor of a model begins with a size that varies: the least that batching needs. */
export function canBatch({ inputs, outputs }: Signature): boolean {
  return inputs.length > 0 && [...inputs, ...outputs].every(({ shape }) => typeof shape[0] === 'string');
}

/** Says whether a model calls that size a batch throughout; an unnamed or otherwise named one may mean anything. */
export function saysBatch(signature: Signature): boolean {
  const names = new Set([...signature.inputs, ...signature.outputs].map(({ shape }) => shape[0]));
  const [name] = names;
  return (
    canBatch(signature) && names.size === 1 && typeof name === 'string' && /^(batch|batch[_-]?size|n)$/i.test(name)
  );
}

/** Equal for requests whose inputs differ in their number of rows at most. */
export function keyOf(inputs: readonly Tensor[]): string {
  return inputs
    .map(({ name, shape }) => `${name}\0${shape.slice(1).join(',')}`)
    .sort()
    .join('\0\0');
}

/** Puts the inputs of several requests one below the other; they must have one key. */
export function joinInputs(requests: readonly (readonly Tensor[])[]): readonly Tensor[] {
  const [first = [], ...others] = requests;
  return first.map((tensor) => {
    const parts = [tensor, ...others.map((inputs) => inputs.find(({ name }) => name === tensor.name) ?? tensor)];
    const rows = parts.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    return { ...tensor, shape: [rows, ...tensor.shape.slice(1)], data: joinData(parts.map(({ data }) => data)) };
  });
}

/** Takes outputs apart into those of each request, given the rows of each; throws if an output has other rows. */
export function splitOutputs(outputs: readonly Tensor[], rows: readonly number[]): readonly (readonly Tensor[])[] {
  const total = rows.reduce((sum, count) => sum + count, 0);
  const odd = outputs.find(({ shape }) => shape[0] !== total);
  if (odd !== undefined) {
    throw new Error(`output "${odd.name}" has shape [${odd.shape.join(',')}] for a batch of ${total} rows`);
  }
  let start = 0;
  return rows.map((count) => {
    const from = start;
    start += count;
    return outputs.map((output) => {
      const perRow = output.data.length / total;
      // A copy each: memory can move to another thread only as a whole.
      const data = output.data.slice(from * perRow, start * perRow);
      return { ...output, shape: [count, ...output.shape.slice(1)], data };
    });
  });
}

function joinData(parts: readonly TensorData[]): TensorData {
  const [first = []] = parts;
  if (Array.isArray(first)) {
    return parts.flatMap((part) => (Array.isArray(part) ? part : []));
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const Kind = first.constructor as new (length: number) => Exclude<TensorData, string[]>;
  const joined = new Kind(length);
  let at = 0;
  for (const part of parts) {
    // All parts are of one datatype, which the type of a union cannot say.
    (joined as Float32Array).set(part as Float32Array, at);
    at += part.length;
  }
  return joined;
}
