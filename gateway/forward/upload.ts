import type { IncomingMessage } from 'node:http';
import type { PassThrough } from 'node:stream';
import type { Turns } from './turns.ts';

/** How a caller's body is passed on. */
export type Passing = {
  /** Bytes of the body; beyond it `onTooLarge` is called. */
  readonly limit: number;
  readonly onTooLarge: () => void;
  /** Hears of every piece before it is passed on. */
  readonly onPiece: (chunk: Buffer) => void;
  readonly turns: Turns;
};

/** Whether a request comes with a body. */
export function hasBody({ headers }: IncomingMessage): boolean {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers;
  return (length !== undefined && length !== '0') || encoding !== undefined;
}

/** Passes a caller's body on to a server as it comes in, and tells whose turn it is meanwhile. */
export function passOn(request: IncomingMessage, upload: PassThrough, passing: Passing): void {
  const { limit, onTooLarge, onPiece, turns } = passing;
  let bytes = 0;
  turns.arriving(true);
  request.on('end', () => turns.arriving(false));
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    onPiece(chunk);
    if (bytes > limit) onTooLarge();
  });
  upload.on('drain', () => turns.heldUp(false));
  request.pipe(upload).on('error', () => {}); // onResponseError says what it means
  request.on('data', () => turns.heldUp(upload.writableNeedDrain)); // after the pipe has written the piece
}
