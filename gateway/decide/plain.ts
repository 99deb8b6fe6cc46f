// The body of a request as it was before it was compressed. Pure.
import { gunzipSync, inflateSync } from 'node:zlib';
import type { MissedReason } from '../flow.ts';

/** Why the policy sees nothing inside a body. */
export type Unread = Exclude<MissedReason, 'absent'>;

/**
 * A body is unpacked up to 64 KiB and 16 times its own size, at most 1 MiB: what costs little to send costs little to read.
 * JSON of numbers is packed to a third or a tenth; without the bound, a kilobyte could ask for 1 MiB to be parsed.
 */
const MOST_BYTES = 1024 * 1024;
const FREE_BYTES = 64 * 1024;
const MOST_TIMES = 16;

const UNPACKERS: Readonly<Record<string, typeof gunzipSync>> = {
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  deflate: inflateSync,
};

/** The bytes that were compressed by these means (`content-encoding`), or why they cannot be had. Never throws. */
export function plainOf(body: Buffer, encoding: string | undefined): Buffer | Unread {
  const name = encoding?.trim().toLowerCase() ?? '';
  if (name === '' || name === 'identity') return body;
  const unpack = Object.hasOwn(UNPACKERS, name) ? UNPACKERS[name] : undefined;
  if (unpack === undefined) return 'compressed';
  const maxOutputLength = Math.min(MOST_BYTES, FREE_BYTES + MOST_TIMES * body.length);
  try {
    return unpack(body, { maxOutputLength });
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'compressed';
  }
}
