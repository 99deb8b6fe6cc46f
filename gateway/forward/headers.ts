// Which headers cross the gateway. Hop-by-hop ones belong to one connection (RFC 9110 section 7.6.1) and never do.

type HeaderValue = string | readonly string[] | undefined;

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** A prediction is no stored thing: no part of it is asked for, and no 304 is an answer (RFC 9110 sections 13.1.2, 14.2). */
const OF_STORED_THINGS = new Set(['range', 'if-range', 'if-none-match', 'if-modified-since']);

/** Ours to set on the request: undici writes its own framing, and a caller must not speak in our name. */
function isOursToSet(name: string): boolean {
  return (
    name === 'host' ||
    name === 'content-length' ||
    name === 'expect' ||
    name === 'x-request-id' ||
    name.startsWith('x-sluice-')
  );
}

/** Ours to set on the answer: the id that our log knows, and what was decided. */
function isOursToTell(name: string): boolean {
  return name === 'x-request-id' || name.startsWith('x-sluice-');
}

/** Tells a server how many milliseconds are left for its answer when the request is sent. */
export const DEADLINE_HEADER = 'x-sluice-deadline-ms';

/** What a model server's web framework tells of itself, or wants of a browser: no business of a caller of the gateway. */
const OF_THE_INSIDE = new Set(['server', 'via', 'x-powered-by', 'set-cookie', 'location', 'alt-svc']);

/** Inference passes on what belongs to a prediction; `http` whatever belongs to a request at all. */
type Kind = 'inference' | 'http';

/** The headers for the server, as flat name-value pairs: the caller's own, less what must not cross, plus the request id. */
export function requestHeaders(raw: readonly string[], connection: HeaderValue, id: string, kind: Kind): string[] {
  const named = namedBy(connection);
  const out = ['x-request-id', id];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    if (HOP_BY_HOP.has(name) || isOursToSet(name) || named?.has(name)) continue;
    if (kind === 'inference' && OF_STORED_THINGS.has(name)) continue;
    out.push(name, raw[i + 1] as string);
  }
  return out;
}

/** The server's headers for the caller, less what must not cross. */
export function responseHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  kind: Kind,
): Record<string, string | string[]> {
  const named = namedBy(headers.connection);
  const out: Record<string, string | string[]> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value === undefined || HOP_BY_HOP.has(name) || isOursToTell(name) || named?.has(name)) continue;
    if (kind === 'inference' && OF_THE_INSIDE.has(name)) continue;
    out[name] = value;
  }
  return out;
}

/** The header names that a Connection header declares hop-by-hop; undefined in the common case of none. */
function namedBy(connection: HeaderValue): Set<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined;
  const named = String(connection)
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  // It is for every recipient: a caller that could strip it could send a request round in a circle.
  return new Set(named.filter((name) => name !== 'via'));
}
