// Text from bytes that may be no UTF-8, such that different bytes are different texts.

/** A bad byte is read as half of a surrogate pair, this and the byte: U+DC80 to U+DCFF, which no UTF-8 decodes to. */
const ESCAPE = 0xdc00;

/**
 * UTF-8 with each byte that belongs to no character escaped, as Python's `surrogateescape` has it (PEP 383). The text can be
 * turned back into its bytes, so that no two inputs are read alike; what is sound around a bad byte is read as it was meant.
 */
export function escapedUtf8(bytes: Uint8Array): string {
  const units = new Uint16Array(bytes.length);
  let count = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = lengthOf(bytes[at] ?? 0);
    const code = codeAt(bytes, at, length);
    if (code === undefined) units[count++] = ESCAPE + (bytes[at] ?? 0);
    else if (code < 0x10000) units[count++] = code;
    else {
      units[count++] = 0xd7c0 + (code >> 10);
      units[count++] = 0xdc00 + (code & 0x3ff);
    }
    at += code === undefined ? 1 : length;
  }
  return Buffer.from(units.buffer, 0, 2 * count).toString('utf16le');
}

/** How many bytes a character takes that begins with this one; 0 where none does. */
function lengthOf(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc0 || lead > 0xf7) return 0;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/** The least code point that takes so many bytes: a longer form of it is bad. */
const LEAST = [Number.POSITIVE_INFINITY, 0, 0x80, 0x800, 0x10000];

function codeAt(bytes: Uint8Array, at: number, length: number): number | undefined {
  if (length === 1) return bytes[at];
  let code = (bytes[at] ?? 0) & (0x7f >> length);
  for (let i = at + 1; i < at + length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >> 6 !== 2) return undefined;
    code = (code << 6) | (byte & 0x3f);
  }
  const isSurrogate = code >= 0xd800 && code <= 0xdfff;
  return code < (LEAST[length] ?? 0) || code > 0x10ffff || isSurrogate ? undefined : code;
}
