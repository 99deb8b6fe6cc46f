// The identity of what names no caller. A request without a unit is a unit of its own, but for one thing: whoever sends the
// same body again and again is one unit, for the retries of one client must not look like many that fail.
const LOW = 2 ** 24;
/** Of a long body its beginning is enough. */
const READ_BYTES = 4096;

/** A unit's number for a request that names none: of its body, or of its id where it has no body. */
export function unitOfRequest(id: string, body: Uint8Array): number {
  const bytes = body.length > 0 ? body.subarray(0, READ_BYTES) : Buffer.from(id);
  let [high, low] = [0x811c9dc5, body.length ^ 0x2545f491];
  for (const byte of bytes) {
    high = Math.imul(high ^ byte, 0x01000193);
    low = Math.imul(low ^ byte, 0x5bd1e995) ^ (low >>> 13);
  }
  return (mix(high) >>> 8) * LOW + (mix(low ^ high) >>> 8);
}

/** Murmur3's finaliser: every bit of the input matters for every bit of the output. */
function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
