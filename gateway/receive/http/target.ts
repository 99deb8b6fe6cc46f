// The request target and the Host header (RFC 9112 section 3.2, RFC 3986), as strictly as the grammar says.

/** RFC 9112 section 3 asks for 8,000 octets at least. */
const MAX_TARGET = 8000;

/** `uri-host [ ":" port ]` of RFC 3986 section 3.2: no user, no path, not empty. */
const AUTHORITY =
  /^(?:\[[0-9a-f:.]+\]|(?:[a-z0-9._~!$&'()*+,;=-]|%[0-9a-f]{2})+)(?::(?:[0-5]?\d{0,4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]))?$/i;

/** What a client leaves unencoded in a path or a query: no space, no control, nothing beyond ASCII, no fragment. */
const VISIBLE = /^[!$-;=?-~]+$/;

/** `.` and `..` as whole segments, plain or encoded: whoever forwards a path and whoever reads it could disagree on it. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i;

/** A target taken apart. `authority` is there in absolute-form only; `path` ends before the query. */
export type Target =
  | { readonly kind: 'ok'; readonly authority: string | undefined; readonly originForm: string }
  | { readonly kind: 'malformed'; readonly why: string }
  | { readonly kind: 'too_long' };

/** Reads a request target in origin-form, absolute-form or, for OPTIONS, asterisk-form. */
export function readTarget(method: string, target: string): Target {
  if (target.length > MAX_TARGET) return { kind: 'too_long' };
  if (target === '*' && method === 'OPTIONS') return { kind: 'ok', authority: undefined, originForm: target };
  const [, authority, rest = ''] = target.startsWith('/') ? [] : (/^http:\/\/([^/?]*)(.*)$/i.exec(target) ?? []);
  if (!target.startsWith('/') && authority === undefined)
    return { kind: 'malformed', why: 'its target is neither a path nor an http URL' };
  if (authority !== undefined && !isAuthority(authority))
    return { kind: 'malformed', why: 'the host of its target is malformed' };
  const originForm = authority === undefined ? target : rest.startsWith('/') ? rest : `/${rest}`;
  const why = whyMalformed(originForm);
  return why === undefined ? { kind: 'ok', authority, originForm } : { kind: 'malformed', why };
}

/** Whether this may be the value of a Host header. */
export function isAuthority(text: string): boolean {
  return AUTHORITY.test(text);
}

/** Whether a target in absolute-form and a Host header mean the same server; the port 80 goes without saying. */
export function isSameAuthority(a: string, b: string): boolean {
  return withoutDefaultPort(a) === withoutDefaultPort(b);
}

function withoutDefaultPort(authority: string): string {
  return authority.toLowerCase().replace(/:(?:80)?$/, '');
}

function whyMalformed(originForm: string): string | undefined {
  if (!VISIBLE.test(originForm)) return 'its target has characters that must be encoded';
  const query = originForm.indexOf('?');
  const path = query < 0 ? originForm : originForm.slice(0, query);
  // Some servers read a backslash as a slash.
  if (path.includes('\\')) return 'its path has a backslash';
  return DOT_SEGMENT.test(path) ? 'its path has a dot segment' : undefined;
}
