import { readFileSync } from 'node:fs';
import type { RedisOptions } from 'ioredis';
import { UserError } from '../../../errors.ts';

/** Where Redis is: one server, or some nodes of a Cluster. */
export type RedisAddress = {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly isCluster: boolean;
  /** Credentials, database and TLS. */
  readonly options: RedisOptions;
};

/**
 * Reads REDIS_URL: `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, or several of them with commas between,
 * which are nodes of one Cluster. Throws UserError, which never shows the password.
 */
export function redisAddress(url: string, caFile: string | undefined): RedisAddress {
  const urls = url.split(',').map((part) => parse(part.trim()));
  const [first] = urls;
  if (first === undefined) throw invalid();
  const isCluster = urls.length > 1;
  const db = Number(first.pathname.slice(1) || '0');
  if (!Number.isInteger(db) || (isCluster && db !== 0)) throw invalid();
  return {
    nodes: urls.map(({ hostname, port }) => ({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379) })),
    isCluster,
    options: {
      ...(first.username !== '' && { username: decodeURIComponent(first.username) }),
      ...(first.password !== '' && { password: decodeURIComponent(first.password) }),
      ...(!isCluster && { db }),
      ...(first.protocol === 'rediss:' && { tls: caFile === undefined ? {} : { ca: readCa(caFile) } }),
    },
  };
}

function parse(text: string): URL {
  if (!URL.canParse(text)) throw invalid();
  const url = new URL(text);
  if (!['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') throw invalid();
  return url;
}

function invalid(): UserError {
  return new UserError(
    'REDIS_URL must be redis://[user:password@]host[:port][/db] or rediss://..., or several of them separated by commas for a Cluster',
  );
}

function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new UserError(`the CA file for Redis cannot be read: ${(error as Error).message}`, 1, { cause: error });
  }
}
