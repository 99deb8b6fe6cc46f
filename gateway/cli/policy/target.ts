import { UserError } from '../../errors.ts';
import type { Call } from '../../flow.ts';
import { findPrefix } from '../../receive/http/opaque.ts';
import { DATA_PATHS } from '../../receive/http/routes.ts';

/** What a URL of the data listener asks for. */
export type Target = {
  /** Undefined where every method will do. */
  readonly method: string | undefined;
  readonly path: string;
  readonly call: Call;
  readonly model: string;
  /** The version that the path pins. */
  readonly version: string | undefined;
};

const V2 = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(infer|ready))?$/;
const V1 = /^\/v1\/models\/([^/]+):predict$/;

/**
 * Reads a URL with or without its scheme, a path, or a bare model name, which stands for its infer path. `prefixes` are the
 * paths below which everything is one model's.
 */
export function targetOf(text: string, prefixes: ReadonlyMap<string, string>): Target {
  const path = text.includes('/') ? pathOf(text) : `/v2/models/${encodeURIComponent(text)}/infer`;
  const v1 = V1.exec(path);
  if (v1 !== null) return { method: 'POST', path, call: 'predict', model: decoded(v1[1]), version: undefined };
  const v2 = V2.exec(path);
  const found = v2 === null ? findPrefix(prefixes, path) : undefined;
  if (found !== undefined) return { method: undefined, path, call: 'opaque', model: found.model, version: undefined };
  if (v2 === null) throw new UserError(`the gateway answers 404 for the path ${path}: ${DATA_PATHS}`);
  const [, model, version, action] = v2;
  return {
    method: action === 'infer' ? 'POST' : 'GET',
    path,
    call: action === 'infer' ? 'infer' : action === 'ready' ? 'ready' : 'metadata',
    model: decoded(model),
    version: version === undefined ? undefined : decoded(version),
  };
}

function pathOf(text: string): string {
  // A path whose first slash was left out looks like the name of a host.
  const isPath = text.startsWith('/') || /^v[12]\/models\//.test(text);
  const url = /^[a-z]+:\/\//i.test(text)
    ? text
    : isPath
      ? `http://gateway/${text.replace(/^\//, '')}`
      : `http://${text}`;
  if (!URL.canParse(url)) throw new UserError(`"${text}" is neither a URL nor a path nor the name of a model`);
  return new URL(url).pathname;
}

function decoded(part = ''): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    throw new UserError(`"${part}" in the path is not percent-encoded UTF-8`, 1, { cause: error });
  }
}
