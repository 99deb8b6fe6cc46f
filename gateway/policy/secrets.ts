// What looks like a credential by its name: never copied to a shadow, never kept of a body.

/** Names of fields and headers whose values are never kept or copied. */
const SECRET_NAME = /authorization|cookie|passw|secret|token|credential|api[-_]?key|access[-_]?key|session/i;

/** Whether the value under such a name of a body is never kept, whatever a list says. */
export function isSecretField(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** Headers that are never copied, whatever the policy says. */
const SECRET_HEADERS: ReadonlySet<string> = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'x-api-key',
  'api-key',
  'apikey',
  'x-auth-token',
  'x-access-token',
  'x-goog-api-key',
  'x-amz-security-token',
]);

/** Whether a header, in lower case, is a credential. */
export function isSecretHeader(name: string): boolean {
  return SECRET_HEADERS.has(name);
}

/** Words of a parameter's name that make it a credential; `max_tokens` is none. */
const SECRET_WORD =
  /(^| )(auth|authorization|apikey|accesskey|key|token|jwt|secret|password|passwd|passphrase|pwd|credential|credentials|signature|sig|session|sessionid|cookie)( |$)/;

/** A path as it may be copied: without the parameters of its query whose names say that they are credentials. */
export function withoutSecrets(path: string): string {
  const start = path.indexOf('?');
  if (start === -1) return path;
  const parameters = path.slice(start + 1).split('&');
  const kept = parameters.filter((parameter) => !parameter.split(';').some(isSecretParameter));
  if (kept.length === parameters.length) return path;
  return kept.length === 0 ? path.slice(0, start) : `${path.slice(0, start)}?${kept.join('&')}`;
}

function isSecretParameter(parameter: string): boolean {
  const words = decoded(parameter.split('=', 1)[0] ?? '')
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/[^a-zA-Z0-9]+/g, ' ');
  return SECRET_WORD.test(words.toLowerCase());
}

/** What is not percent-encoded UTF-8 is read as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
