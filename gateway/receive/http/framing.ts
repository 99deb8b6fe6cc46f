// The framing guard: what Node's parser lets through and two servers could read in two ways, or was never HTTP/1.1.
// Node itself already refuses bare CR and LF, obs-fold, NUL, malformed or repeated Content-Length, both framings at
// once and malformed chunks (llhttp, strict); a policy of "the stricter reader wins" does the rest here.
import type { ErrorCode } from '../../errors.ts';
import { isAuthority, isSameAuthority, readTarget } from './target.ts';

/** The head of a request as the parser left it; `rawHeaders` are names and values in turn, in the order received. */
export type RequestHead = {
  readonly method: string;
  readonly target: string;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
};

/** Why a request is refused. The connection must be closed after it: what follows cannot be trusted to be a request. */
export type Refusal = { readonly code: ErrorCode; readonly detail: string };

const MAX_HEADER_LINES = 1000;
/** Of one line with its colon and end: what nginx and haproxy take. All lines together have Node's limit of 16 KiB. */
const MAX_HEADER_LINE = 8192;

/** What a model can be asked with. CONNECT and TRACE are no business of a gateway's (RFC 9110 sections 9.3.6, 9.3.8). */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/**
 * Fields with one value (RFC 9110 section 5.3: a sender must not repeat them). Node's parser shows the first of a
 * repeated one to the policy's rules, and a server may read the last.
 */
const SINGLE: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'transfer-encoding',
  'content-type',
  'authorization',
  'expect',
  'from',
  'if-modified-since',
  'if-unmodified-since',
  'max-forwards',
  'proxy-authorization',
  'referer',
  'user-agent',
]);

/** Names that would be framing, or speak for a proxy or for Sluice, to a server that reads `_` as `-`, as CGI and WSGI do. */
const TRUSTED_NAME =
  /^(?:content-length|transfer-encoding|host|connection|x-request-id|forwarded|x-(?:sluice|forwarded)-.*)$/;

/** Refuses a request that RFC 9110 and 9112 call malformed or ambiguous; undefined when it may be served. */
export function refuseFraming({ method, target, httpVersion, rawHeaders }: RequestHead): Refusal | undefined {
  if (httpVersion !== '1.1' && httpVersion !== '1.0')
    return { code: 'HTTP_VERSION', detail: `it is HTTP/${httpVersion}` }; // RFC 9110 section 15.6.6
  if (!METHODS.has(method)) return { code: 'NOT_IMPLEMENTED', detail: `the method ${method}` };
  const read = readTarget(method, target);
  if (read.kind === 'too_long') return { code: 'TARGET_TOO_LONG', detail: 'its path and query exceed 8,000 bytes' };
  if (read.kind === 'malformed') return malformed(read.why);
  if (rawHeaders.length > 2 * MAX_HEADER_LINES)
    return { code: 'HEADERS_TOO_LARGE', detail: `more than ${MAX_HEADER_LINES} lines` };
  const fields = readFields(rawHeaders);
  if ('code' in fields) return fields;
  return (
    refuseHost(fields.host, read.authority, httpVersion) ??
    refuseCoding(fields, httpVersion) ??
    refuseExpectation(fields.expect, httpVersion)
  );
}

type Fields = {
  host?: string;
  contentLength?: string;
  transferEncoding?: string;
  expect?: string;
};

/** The fields that frame a message, or the refusal of a line. */
function readFields(rawHeaders: readonly string[]): Fields | Refusal {
  const fields: Fields = {};
  let seen: string[] | undefined;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    if (name.length + value.length + 4 > MAX_HEADER_LINE)
      return { code: 'HEADERS_TOO_LARGE', detail: `a line exceeds ${MAX_HEADER_LINE} bytes` };
    if (SINGLE.has(name)) {
      seen ??= [];
      if (seen.includes(name)) return malformed(`it has more than one ${name} header`);
      seen.push(name);
      if (name === 'host') fields.host = value;
      else if (name === 'content-length') fields.contentLength = value;
      else if (name === 'transfer-encoding') fields.transferEncoding = value;
      else if (name === 'expect') fields.expect = value;
    } else if (name.includes('_') && TRUSTED_NAME.test(name.replaceAll('_', '-'))) {
      return malformed(`some servers take its header ${name} for another`);
    }
  }
  return fields;
}

/** RFC 9112 section 3.2: one Host in HTTP/1.1, well-formed, and the same as in an absolute target. */
function refuseHost(host: string | undefined, authority: string | undefined, httpVersion: string): Refusal | undefined {
  if (host === undefined) return httpVersion === '1.1' ? malformed('it has no Host header') : undefined;
  if (!isAuthority(host)) return malformed('its Host header is malformed');
  const isConflict = authority !== undefined && !isSameAuthority(authority, host);
  return isConflict ? malformed('its target and its Host header name different servers') : undefined;
}

/** RFC 9112 sections 6.1 to 6.3: one framing, `chunked` alone, and none of it in HTTP/1.0. */
function refuseCoding({ contentLength, transferEncoding }: Fields, httpVersion: string): Refusal | undefined {
  if (contentLength !== undefined && !/^\d+$/.test(contentLength)) return malformed('its Content-Length is malformed');
  if (transferEncoding === undefined) return undefined;
  if (httpVersion !== '1.1') return malformed('HTTP/1.0 has no Transfer-Encoding');
  if (contentLength !== undefined) return malformed('it has both Content-Length and Transfer-Encoding');
  if (transferEncoding.toLowerCase() === 'chunked') return undefined;
  return { code: 'NOT_IMPLEMENTED', detail: 'only the transfer coding "chunked"' };
}

/** RFC 9110 section 10.1.1; in HTTP/1.0 the field means nothing. */
function refuseExpectation(expect: string | undefined, httpVersion: string): Refusal | undefined {
  const isUnderstood = expect === undefined || httpVersion !== '1.1' || expect.toLowerCase() === '100-continue';
  return isUnderstood ? undefined : { code: 'EXPECTATION', detail: 'only Expect: 100-continue is understood' };
}

function malformed(detail: string): Refusal {
  return { code: 'BAD_REQUEST', detail };
}
