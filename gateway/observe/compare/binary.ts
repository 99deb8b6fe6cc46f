// The binary tensor data extension of the Open Inference Protocol: little-endian, row-major, one tensor after the other.

import { BeyondBounds } from '../../../model-server/protocol/json.ts';
import { DATATYPES, isDatatype } from '../../../model-server/protocol.ts';
import type { Elements } from './output.ts';

/** Elements of a tensor that travelled as bytes. Throws RangeError when the bytes do not bear the datatype out, or BeyondBounds. */
export function decodeBinary(bytes: Buffer, datatype: string): Elements {
  if (datatype === 'BYTES') return decodeStrings(bytes);
  if (datatype === 'FP16' || datatype === 'BF16') return decodeHalves(bytes, datatype);
  if (!isDatatype(datatype)) throw new BeyondBounds(`no binary form of datatype ${datatype} is known`);
  const { array, bytes: size } = DATATYPES[datatype];
  if (array === undefined || bytes.length % size !== 0)
    throw new RangeError(`${bytes.length} bytes are no whole number of ${datatype}`);
  // Copied, because a typed array must start at a multiple of its element's size.
  return new array(new Uint8Array(bytes).buffer);
}

function decodeStrings(bytes: Buffer): string[] {
  const strings: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const start = at + 4;
    const end = start + bytes.readUInt32LE(at);
    if (end > bytes.length) throw new RangeError('a BYTES element is longer than its tensor');
    strings.push(bytes.toString('utf8', start, end));
    at = end;
  }
  return strings;
}

function decodeHalves(bytes: Buffer, datatype: 'FP16' | 'BF16'): Float32Array {
  if (bytes.length % 2 !== 0) throw new RangeError(`${bytes.length} bytes are no whole number of ${datatype}`);
  const decode = datatype === 'FP16' ? float16 : bfloat16;
  return Float32Array.from({ length: bytes.length / 2 }, (_, i) => decode(bytes.readUInt16LE(2 * i)));
}

/** IEEE 754 binary16 by its bits. */
export function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const WORD = new DataView(new ArrayBuffer(4));

/** bfloat16: the upper half of a float32. */
function bfloat16(bits: number): number {
  WORD.setUint32(0, bits << 16);
  return WORD.getFloat32(0);
}
