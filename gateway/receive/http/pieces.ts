import { Readable } from 'node:stream';

const PIECE_BYTES = 64 * 1024;

/**
 * An answer in pieces that are written as the caller takes them. Written as one, it would wait in the socket whole, and
 * a caller that takes it slowly could not be told from one that takes nothing. A small one is returned as it is.
 */
export function inPieces(body: Buffer): Buffer | Readable {
  return body.length <= PIECE_BYTES ? body : Readable.from(piecesOf(body), { objectMode: false });
}

function* piecesOf(body: Buffer): Generator<Buffer> {
  for (let at = 0; at < body.length; at += PIECE_BYTES) yield body.subarray(at, at + PIECE_BYTES);
}
