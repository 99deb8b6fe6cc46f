// "Binary tensor data extension" of Triton: little-endian, row-major, no padding; as every processor onnxruntime has binaries for
// is little-endian, the memory of an array is its wire form.
import { escapedUtf8 } from './escaped-utf8.ts';
import { BeyondBounds } from './json.ts';
import { Malformed } from './malformed.ts';
import { DATATYPES, isDatatype } from './names.ts';
import { show } from './show.ts';

/** In what readings of bytes may differ. `readers.ts` names every reader. */
export type BinaryRules = {
  /** FP16 as its bits in a Uint16Array, which is what the runtime takes, or as numbers; BF16, which the runtime lacks, likewise. */
  readonly halves: 'bits' | 'numbers';
  /**
   * `strict` refuses what the runtime would change unseen: texts that are no UTF-8 or hold NUL, and a BOOL beside 0 and 1. `any`
   * escapes the bytes of a text that are no UTF-8 (`escapedUtf8`), so that two that differ stay different.
   */
  readonly content: 'strict' | 'any';
  /** Whether an array may take over the memory of the bytes, where it is aligned and nearly all theirs. */
  readonly takesOver: boolean;
};

/** The elements of a tensor as the runtime takes them: FP16 as its bits, BOOL as 0 and 1, BYTES as strings. */
export type TensorData =
  | Uint8Array<ArrayBuffer>
  | Uint16Array<ArrayBuffer>
  | Uint32Array<ArrayBuffer>
  | BigUint64Array<ArrayBuffer>
  | Int8Array<ArrayBuffer>
  | Int16Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | BigInt64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>
  | string[];

/** Reads a tensor of a checked shape from exactly its bytes. Throws Malformed, or BeyondBounds for a datatype without bytes. */
export function readBinary(bytes: Buffer, datatype: string, shape: readonly number[], rules: BinaryRules): TensorData {
  if (datatype === 'BYTES') return readStrings(bytes, countOf(shape), rules);
  const isHalf = datatype === 'BF16' || datatype === 'FP16';
  const kind = isHalf ? DATATYPES.FP16 : isDatatype(datatype) ? DATATYPES[datatype] : undefined;
  if (kind?.array === undefined) throw new BeyondBounds(`no binary form of datatype ${datatype} is known`);
  const { bytes: size, array } = kind;
  const expected = countOf(shape) * size;
  if (bytes.length !== expected)
    throw new Malformed(
      `shape ${show(shape)} of ${datatype} holds ${expected} bytes, the binary data has ${bytes.length}`,
    );
  if (datatype === 'BOOL' && rules.content === 'strict' && bytes.some((byte) => byte > 1))
    throw new Malformed('BOOL is one byte an element, 0 or 1');
  if (isHalf && rules.halves === 'numbers') return halves(bytes, datatype);
  const isOwn = rules.takesOver && bytes.byteOffset % size === 0 && 2 * bytes.length > bytes.buffer.byteLength;
  const { buffer, byteOffset } = isOwn ? bytes : new Uint8Array(bytes);
  return new array(buffer as ArrayBuffer, byteOffset, expected / size);
}

/** Reads one element of BYTES. Throws Malformed. */
export function readText(bytes: Buffer, { content }: BinaryRules): string {
  const text = bytes.toString('utf8');
  // What is no UTF-8 is read as this character, which a sender may also have meant.
  const isUtf8 = !text.includes('\ufffd') || Buffer.from(text).equals(bytes);
  if (content === 'any') return isUtf8 ? text : escapedUtf8(bytes);
  if (!isUtf8 || text.includes('\0')) throw new Malformed('must be UTF-8 text without NUL');
  return text;
}

/** The number of elements a shape holds. */
export function countOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Bytes of the length before each element of BYTES. */
export const LENGTH_BYTES = 4;

function readStrings(bytes: Buffer, count: number, rules: BinaryRules): string[] {
  // Before anything is allocated: each element takes at least its length.
  if (count * LENGTH_BYTES > bytes.length)
    throw new Malformed(`${count} elements of BYTES take more than the ${bytes.length} bytes sent`);
  const strings: string[] = [];
  let at = 0;
  while (strings.length < count && at + LENGTH_BYTES <= bytes.length) {
    const end = at + LENGTH_BYTES + bytes.readUInt32LE(at);
    if (end > bytes.length)
      throw new Malformed(`element ${strings.length} of BYTES ends ${end - bytes.length} bytes after the data`);
    strings.push(readElement(bytes.subarray(at + LENGTH_BYTES, end), strings.length, rules));
    at = end;
  }
  if (strings.length !== count || at !== bytes.length)
    throw new Malformed(`${count} elements of BYTES do not fill the ${bytes.length} bytes sent`);
  return strings;
}

function readElement(bytes: Buffer, index: number, rules: BinaryRules): string {
  try {
    return readText(bytes, rules);
  } catch (error) {
    throw new Malformed(`element ${index} of BYTES ${(error as Error).message}`);
  }
}

/** Halves as floats of 32 bits, which hold every one of them. */
function halves(bytes: Buffer, datatype: 'FP16' | 'BF16'): Float32Array<ArrayBuffer> {
  const words = new Uint32Array(bytes.length / 2);
  const floats = new Float32Array(words.buffer);
  for (let i = 0; i < words.length; i++) {
    const bits = (bytes[2 * i] ?? 0) | ((bytes[2 * i + 1] ?? 0) << 8);
    if (datatype === 'BF16') words[i] = bits << 16;
    else setFloat16(words, floats, i, bits);
  }
  return floats;
}

/** IEEE 754 binary16: exponent and fraction go where those of a float lie, and the product makes up for its larger bias. */
function setFloat16(words: Uint32Array, floats: Float32Array, i: number, bits: number): void {
  words[i] = (bits & 0x7fff) << 13;
  if ((bits & 0x7c00) === 0x7c00) words[i] = (words[i] ?? 0) | 0x7f800000;
  else floats[i] = (floats[i] ?? 0) * 2 ** 112;
  words[i] = (words[i] ?? 0) | ((bits & 0x8000) << 16);
}
