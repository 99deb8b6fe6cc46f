import { RequestError } from '../errors.ts';
import type { Tensor } from '../run/tensors.ts';

// Some 400 MB of text; V8 cannot hold a string of more than 512 MB.
const MAX_WRITTEN_ELEMENTS = 2 ** 24;

const ADVICE = 'Ask for it with the parameter binary_data (/v2), or send fewer rows';

/** An answer that is too long to be one text, all outputs together, or its buffer; any other error as it is. */
export function asTooLarge(error: unknown): unknown {
  const isTooLong = error instanceof RangeError;
  return isTooLong
    ? new RequestError('answer_too_large', `the answer is too long for JSON (${error.message}). ${ADVICE}`, {
        cause: error,
      })
    : error;
}

/** Writes a tensor's elements as one flat JSON array; NaN and Infinity are bare tokens, as Triton writes them. */
export function writeFlat(tensor: Tensor): string {
  checkWritable(tensor);
  return writeRange(tensor, 0, tensor.data.length);
}

/** Writes a tensor as JSON arrays nested like its shape. */
export function writeNested(tensor: Tensor): string {
  checkWritable(tensor);
  return writeBlock(tensor, 0, 0, tensor.data.length);
}

/** Writes the rows of a tensor, one JSON text for each index of its first dimension. */
export function writeRows(tensor: Tensor): readonly string[] {
  checkWritable(tensor);
  const rows = tensor.shape[0] ?? 0;
  const size = tensor.data.length / rows;
  return Array.from({ length: rows }, (_, row) => writeBlock(tensor, 1, row * size, (row + 1) * size));
}

function checkWritable(tensor: Tensor): void {
  if (tensor.data.length > MAX_WRITTEN_ELEMENTS) {
    const size = `${tensor.data.length} elements, more than ${MAX_WRITTEN_ELEMENTS}`;
    throw new RequestError(
      'answer_too_large',
      `output "${tensor.name}" has ${size}: too many for a JSON answer. ${ADVICE}`,
    );
  }
}

function writeBlock(tensor: Tensor, depth: number, from: number, to: number): string {
  const dim = tensor.shape[depth];
  if (dim === undefined) {
    return writeRange(tensor, from, to).slice(1, -1);
  }
  if (depth === tensor.shape.length - 1) {
    return writeRange(tensor, from, to);
  }
  const size = dim === 0 ? 0 : (to - from) / dim;
  const blocks = Array.from({ length: dim }, (_, index) =>
    writeBlock(tensor, depth + 1, from + index * size, from + (index + 1) * size),
  );
  return `[${blocks.join(',')}]`;
}

function writeRange({ datatype, data }: Tensor, from: number, to: number): string {
  if (Array.isArray(data)) {
    return JSON.stringify(from === 0 && to === data.length ? data : data.slice(from, to));
  }
  const part = from === 0 && to === data.length ? data : data.subarray(from, to);
  if (datatype === 'BOOL') {
    return `[${part.join(',').replaceAll('1', 'true').replaceAll('0', 'false')}]`;
  }
  // join writes shortest round-trip numbers, every digit of a BigInt, and bare NaN and Infinity, in one native call.
  return `[${part.join(',')}]`;
}
