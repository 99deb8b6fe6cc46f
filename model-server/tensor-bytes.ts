import { isUtf8 } from 'node:buffer';
import { badRequest, show } from './errors.ts';
import { DATATYPES, type Datatype } from './protocol.ts';
import { countOf, type Tensor, type TensorData } from './tensors.ts';

// "Binary tensor data extension" of Triton: little-endian, row-major, no padding; as every processor onnxruntime has
// binaries for is little-endian, the memory of an array is its wire form.
const LENGTH_BYTES = 4;

/** Reads a tensor of a checked shape from exactly its bytes, whose memory it takes over if it can and copies if not. */
export function readBytes(bytes: Buffer, datatype: Datatype, shape: readonly number[], where: string): TensorData {
  const kind = DATATYPES[datatype];
  if (kind.array === undefined) {
    return readStrings(bytes, countOf(shape), where);
  }
  const expected = countOf(shape) * kind.bytes;
  if (bytes.length !== expected) {
    const holds = `shape ${show(shape)} of ${datatype} holds ${expected} bytes`;
    throw badRequest(`${where}: ${holds}, the binary data has ${bytes.length}`);
  }
  if (datatype === 'BOOL' && bytes.some((byte) => byte > 1)) {
    throw badRequest(`${where}: BOOL is one byte an element, 0 or 1`);
  }
  // The memory moves on to the inference thread: it must be aligned, and nearly all of it this tensor's.
  const isOwn = bytes.byteOffset % kind.bytes === 0 && 2 * bytes.length > bytes.buffer.byteLength;
  const { buffer, byteOffset } = isOwn ? bytes : new Uint8Array(bytes);
  return new kind.array(buffer as ArrayBuffer, byteOffset, countOf(shape));
}

/** Writes a tensor as its bytes; numbers are the tensor's own memory, not a copy. */
export function writeBytes({ data }: Tensor): Buffer {
  return Array.isArray(data) ? writeStrings(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}

function readStrings(bytes: Buffer, count: number, where: string): string[] {
  // Before anything is allocated: each element takes at least its length.
  if (count * LENGTH_BYTES > bytes.length) {
    throw badRequest(`${where}: ${count} elements of BYTES take more than the ${bytes.length} bytes sent`);
  }
  const strings: string[] = [];
  let at = 0;
  while (strings.length < count && at + LENGTH_BYTES <= bytes.length) {
    const end = at + LENGTH_BYTES + bytes.readUInt32LE(at);
    if (end > bytes.length) {
      throw badRequest(`${where}: element ${strings.length} of BYTES ends ${end - bytes.length} bytes after the data`);
    }
    strings.push(readText(bytes.subarray(at + LENGTH_BYTES, end), `${where}: element ${strings.length} of BYTES`));
    at = end;
  }
  if (strings.length !== count || at !== bytes.length) {
    throw badRequest(`${where}: ${count} elements of BYTES do not fill the ${bytes.length} bytes sent`);
  }
  return strings;
}

/** Reads one element of BYTES, which for the runtime is text. */
export function readText(bytes: Buffer, where: string): string {
  // The runtime would cut a string at NUL, and replace what is no UTF-8, both unseen.
  if (!isUtf8(bytes) || bytes.includes(0)) {
    throw badRequest(`${where} must be UTF-8 text without NUL`);
  }
  return bytes.toString('utf8');
}

function writeStrings(strings: readonly string[]): Buffer {
  return Buffer.concat(
    strings.flatMap((string) => {
      const bytes = Buffer.from(string, 'utf8');
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt32LE(bytes.length);
      return [length, bytes];
    }),
  );
}
