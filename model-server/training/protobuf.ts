// Protobuf's wire format: each field is a varint of (number << 3 | wire type) and its content.

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FOUR_BYTES = 5;

/** A message: its fields one after the other. */
export function message(fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

/** A field of UTF-8 text. */
export function text(field: number, content: string): Uint8Array {
  return bytes(field, Buffer.from(content, 'utf8'));
}

/** A field of bytes, or of another message. */
export function bytes(field: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([varint((field << 3) | LENGTH_DELIMITED), varint(content.length), content]);
}

/** A field that is a whole number. */
export function integer(field: number, content: number): Uint8Array {
  return Buffer.concat([varint((field << 3) | VARINT), varint(content)]);
}

/** A field that is a float of 4 bytes. */
export function float(field: number, content: number): Uint8Array {
  const encoded = Buffer.alloc(4);
  encoded.writeFloatLE(content);
  return Buffer.concat([varint((field << 3) | FOUR_BYTES), encoded]);
}

/** Seven bits a byte, lowest first; a negative number is its 64-bit two's complement. */
function varint(content: number): Uint8Array {
  const encoded: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(content));
  while (rest > 0x7fn) {
    encoded.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  encoded.push(Number(rest));
  return Uint8Array.from(encoded);
}
