import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';

/** A tensor of bytes as MNIST is published: two zero bytes, type, rank, each dimension as big-endian uint32, the data. */
export type Idx = { readonly dims: number[]; readonly data: Uint8Array };

const UNSIGNED_BYTE = 0x08;

/** More than any MNIST-like set has (60,000 images are 47 MB); ends a gzip bomb. */
const LARGEST = 256 * 1024 * 1024;

/** Reads an IDX file of unsigned bytes, gzipped where its name ends in .gz. */
export function readIdx(path: string): Idx {
  try {
    const file = readFileSync(path);
    return parse(path.endsWith('.gz') ? gunzipSync(file, { maxOutputLength: LARGEST }) : file);
  } catch (cause) {
    throw new Error(`${path}: ${cause instanceof Error ? cause.message : cause}`, { cause });
  }
}

/** Writes what `readIdx` reads; the same content gives the same bytes with the same Node (gzip's time field stays 0). */
export function writeIdx(path: string, { dims, data }: Idx): void {
  checkLength(dims, data.length);
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([0, 0, UNSIGNED_BYTE, dims.length]);
  dims.forEach((dim, index) => {
    header.writeUInt32BE(dim, 4 + 4 * index);
  });
  const file = Buffer.concat([header, data]);
  writeFileSync(path, path.endsWith('.gz') ? gzipSync(file, { level: 9 }) : file);
}

function parse(file: Buffer): Idx {
  if (file.length < 4) throw new Error(`not an IDX file: ${file.length} bytes are less than a header`);
  const type = file.readUInt8(2);
  const rank = file.readUInt8(3);
  if (file.readUInt16BE(0) !== 0) throw new Error('not an IDX file: it does not start with two zero bytes');
  if (type !== UNSIGNED_BYTE) throw new Error(`IDX type 0x${type.toString(16)}, only unsigned bytes (0x8) are read`);
  if (rank === 0) throw new Error('an IDX file without dimensions');
  const start = 4 + 4 * rank;
  if (file.length < start) throw new Error(`IDX header cut short: ${rank} dimensions need ${start} bytes`);
  const dims = Array.from({ length: rank }, (_, index) => file.readUInt32BE(4 + 4 * index));
  checkLength(dims, file.length - start);
  return { dims, data: new Uint8Array(file.subarray(start)) };
}

function checkLength(dims: readonly number[], length: number): void {
  const expected = dims.reduce((product, dim) => product * dim, 1);
  if (length !== expected)
    throw new Error(`dimensions [${dims.join(', ')}] need ${expected} bytes of data, not ${length}`);
}
