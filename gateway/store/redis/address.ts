import { readFileSync } from 'node:fs';
import type { RedisOptions } from 'ioredis';
import { UserError } from '../../errors.ts';

/** Where Redis is. */
export type RedisAddress = {
  /** A server, which may turn out to be a node of a Cluster; some nodes of a Cluster; or sentinels that know the primary. */
  readonly kind: 'server' | 'cluster' | 'sentinel';
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** Credentials, database and TLS. */
  readonly options: RedisOptions;
  /** What the sentinels call the primary. */
  readonly master?: string;
  /** How to speak with the sentinels themselves. */
  readonly sentinel?: Pick<
    RedisOptions,
    'sentinelUsername' | 'sentinelPassword' | 'sentinelTLS' | 'enableTLSForSentinelMode'
  >;
};

const SCHEMES = ['redis:', 'rediss:', 'redis+sentinel:', 'rediss+sentinel:'];

/**
 * Reads REDIS_URL: `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS; several of them with commas between are
 * nodes of one Cluster; `redis+sentinel://[user:password@]host[:port],.../name[/db]` are sentinels and what they call the
 * primary. Throws UserError, which never shows the password.
 */
export function redisAddress(url: string, caFile: string | undefined): RedisAddress {
  const isSentinel = /^\s*rediss?\+sentinel:/.test(url);
  const urls = url.split(',').map((part, i) => parse(isSentinel && i > 0 ? `redis+sentinel://${part}` : part.trim()));
  const [first] = urls;
  if (first === undefined) throw invalid();
  // The path comes after the last host.
  const path = (isSentinel ? urls.at(-1) : first)?.pathname.slice(1).split('/') ?? [];
  const master = isSentinel ? decodeURIComponent(path.shift() ?? '') : undefined;
  const kind = isSentinel ? 'sentinel' : urls.length > 1 ? 'cluster' : 'server';
  const db = Number(path[0] || '0');
  if (!Number.isInteger(db) || path.length > 1 || (kind === 'cluster' && db !== 0) || master === '') throw invalid();
  const tls = first.protocol.startsWith('rediss') ? { tls: caFile === undefined ? {} : { ca: readCa(caFile) } } : {};
  const port = isSentinel ? 26379 : 6379;
  return {
    kind,
    nodes: urls.map((each) => ({ host: each.hostname.replace(/^\[|\]$/g, ''), port: Number(each.port || port) })),
    options: { ...credentialsOf(first), ...(kind !== 'cluster' && { db }), ...tls },
    ...(master !== undefined && { master, sentinel: sentinelOf(urls, tls.tls) }),
  };
}

function credentialsOf({ username, password }: URL): RedisOptions {
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
  };
}

/** Sentinels have a password of their own, or none: `?sentinel_password=`, and `?sentinel_user=`. */
function sentinelOf(urls: readonly URL[], tls: RedisOptions['tls']): NonNullable<RedisAddress['sentinel']> {
  const query = urls.at(-1)?.searchParams;
  const [user, password] = [query?.get('sentinel_user'), query?.get('sentinel_password')];
  return {
    ...(user && { sentinelUsername: user }),
    ...(password && { sentinelPassword: password }),
    ...(tls !== undefined && { sentinelTLS: tls, enableTLSForSentinelMode: true }),
  };
}

function parse(text: string): URL {
  if (!URL.canParse(text)) throw invalid();
  const url = new URL(text);
  if (!SCHEMES.includes(url.protocol) || url.hostname === '') throw invalid();
  return url;
}

function invalid(): UserError {
  return new UserError(
    'REDIS_URL must be redis://[user:password@]host[:port][/db] or rediss://..., several of them separated by commas for a Cluster, ' +
      'or redis+sentinel://[user:password@]host[:port],host[:port]/name[/db] for a primary that sentinels name',
  );
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UserError(`the CA file for Redis cannot be read: ${(error as Error).message}`, 1, { cause: error });
  }
}
