// What Node's parser could not read, as a refusal.

export type Unreadable = {
  /** As the metric names it. */
  readonly reason: string;
  /** The status line's. */
  readonly status: string;
  readonly message: string;
};

/** Why bytes are no HTTP request, or not one in time, by Node's error. */
export function whyUnreadable({ code, reason }: NodeJS.ErrnoException & { readonly reason?: string }): Unreadable {
  // Node 20 hands an empty list of codings to the framing guard, which says the same of it; later ones do not.
  if (code === 'HPE_INVALID_TRANSFER_ENCODING' && reason === 'Empty Transfer-Encoding') return NO_CODING;
  return BY_CODE[code ?? ''] ?? MALFORMED;
}

const NO_CODING: Unreadable = {
  reason: 'not_implemented',
  status: '501 Not Implemented',
  message: 'not implemented: only the transfer coding "chunked"',
};
const MALFORMED = unread('bad_request', '400 Bad Request');
const BY_CODE: Readonly<Record<string, Unreadable>> = {
  HPE_HEADER_OVERFLOW: unread('headers_too_large', '431 Request Header Fields Too Large'),
  ERR_HTTP_REQUEST_TIMEOUT: unread('too_slow', '408 Request Timeout'),
};

function unread(reason: string, status: string): Unreadable {
  return { reason, status, message: `the request could not be read: ${status.slice(4).toLowerCase()}` };
}
