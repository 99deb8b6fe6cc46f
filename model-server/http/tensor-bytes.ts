import { refusing } from '../errors.ts';
import type { Datatype } from '../protocol/names.ts';
import { SERVER_BYTES } from '../protocol/readers.ts';
import * as bytesOf from '../protocol/tensor-bytes.ts';
import type { Tensor } from '../run/tensors.ts';

/**
 * Reads a tensor of a checked shape from exactly its bytes, whose memory it takes over if it can and copies if not: it moves on
 * to the inference thread. Throws RequestError.
 */
export function readBytes(
  bytes: Buffer,
  datatype: Datatype,
  shape: readonly number[],
  where: string,
): bytesOf.TensorData {
  return refusing(`${where}: `, () => bytesOf.readBinary(bytes, datatype, shape, SERVER_BYTES));
}

/** Reads one element of BYTES, which for the runtime is text. Throws RequestError. */
export function readText(bytes: Buffer, where: string): string {
  return refusing(`${where} `, () => bytesOf.readText(bytes, SERVER_BYTES));
}

/** Writes a tensor as its bytes; numbers are the tensor's own memory, not a copy. */
export function writeBytes({ data }: Tensor): Buffer {
  return Array.isArray(data) ? writeStrings(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function writeStrings(strings: readonly string[]): Buffer {
  return Buffer.concat(
    strings.flatMap((string) => {
      const bytes = Buffer.from(string, 'utf8');
      const length = Buffer.alloc(bytesOf.LENGTH_BYTES);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}
