/**
 * Reads the HTTP/1.1 messages off one connection and calls `onMessage` with each one's head once its whole body is here.
 * Only the framing, because node's own parser would cost the bench more than the proxies that it measures.
 */
export class MessageReader {
  readonly #onMessage: (head: string) => void;
  #pending: Buffer | undefined;

  constructor(onMessage: (head: string) => void) {
    this.#onMessage = onMessage;
  }

  read(chunk: Buffer): void {
    const bytes = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    let at = 0;
    while (at < bytes.length) {
      const headEnd = bytes.indexOf('\r\n\r\n', at) + 4;
      if (headEnd < 4) break;
      const head = bytes.toString('latin1', at, headEnd);
      const end = bodyEnd(head, bytes, headEnd);
      if (end === undefined || end > bytes.length) break;
      at = end;
      this.#onMessage(head);
    }
    this.#pending = at === bytes.length ? undefined : bytes.subarray(at);
  }
}

/** Where the body ends, which may be beyond what is here; undefined when that cannot be told yet. RFC 9112 section 6. */
function bodyEnd(head: string, bytes: Buffer, start: number): number | undefined {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length !== undefined) return start + Number(length);
  return /\r\ntransfer-encoding: *chunked/i.test(head) ? chunksEnd(bytes, start) : start;
}

/** The end of a chunked body without trailers. */
function chunksEnd(bytes: Buffer, start: number): number | undefined {
  for (let at = start; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error('a chunk without a size');
    at = lineEnd + 2 + size + 2;
    if (size === 0) return at;
  }
}
