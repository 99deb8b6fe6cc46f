// Tries whether Redis lets this gateway do everything that Sluice needs, on keys that hold nothing else, before it is needed: while
// nothing moves, a missing right would not be noticed.
import type { Client, Connections } from './connections.ts';
import type { RedisKeys } from './keys.ts';
import { kindOf } from './refusal.ts';

const EVERY_MS = 10_000;
/** While something is refused. */
const RETRY_MS = 5000;
const KEPT_MS = '600000';

/** Tries now, whenever Redis comes back, and from time to time. Returns how to stop. */
export function watchRights(connections: Connections, keys: RedisKeys): () => void {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    clearTimeout(timer);
    const isGranted = await connections
      .use('rights', (client) => tryAll(client, keys))
      .then(
        () => true,
        () => false, // reported by `use`
      );
    clearTimeout(timer);
    if (!isStopped) timer = setTimeout(() => void look(), isGranted ? EVERY_MS : RETRY_MS).unref();
  };
  connections.onReady('control', () => void look());
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}

/** Rejects with all rights that are missing, or with the first other error. */
async function tryAll(client: Client, keys: RedisKeys): Promise<void> {
  const refused = new Map<string, string>();
  for (const [name, ...words] of commandsOn(keys))
    await client.call(name, ...words).catch((error: Error) => {
      if (kindOf(error.message) !== 'permission') throw error;
      refused.set(name.toLowerCase(), error.message);
    });
  const [first] = refused.values();
  if (first !== undefined) throw new Error(`NOPERM for ${[...refused.keys()].join(', ')}: ${first}`);
}

/** Every command that Sluice sends about data, and the one that asks what server it is; nothing grows by it. */
function commandsOn({ check, hints }: RedisKeys): (readonly [name: string, ...words: string[]])[] {
  const [hash, set, zset, stream, text] = ['hash', 'set', 'zset', 'stream', 'text'].map(check) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const keep = [hash, set, zset, stream].map((each) => ['PEXPIRE', each, KEPT_MS] as const);
  return [
    ['EVAL', 'return 1', '1', text],
    ['EVAL', "return redis.call('TIME')", '1', text],
    ['PUBLISH', hints, ''], // which says nothing
    ['HSET', hash, 'a', '1'],
    ['HGET', hash, 'a'],
    ['HGETALL', hash],
    ['HINCRBYFLOAT', hash, 'b', '0'],
    ['SADD', set, 'a'],
    ['SISMEMBER', set, 'a'],
    ['SMEMBERS', set],
    ['ZADD', zset, '1', 'a'],
    ['ZRANGE', zset, '0', '-1'],
    ['ZREMRANGEBYSCORE', zset, '-inf', '0'],
    ['ZREMRANGEBYRANK', zset, '9', '-1'],
    ['XADD', stream, 'MAXLEN', '1', '*', 'a', '1'],
    ['XTRIM', stream, 'MAXLEN', '1'],
    ['XRANGE', stream, '-', '+', 'COUNT', '1'],
    ['XREVRANGE', stream, '+', '-', 'COUNT', '1'],
    ['XREAD', 'COUNT', '1', 'STREAMS', stream, '0'],
    ['SET', text, '1', 'PX', KEPT_MS],
    ['PSETEX', text, KEPT_MS, '1'],
    ['GET', text],
    ['TYPE', text],
    ['INFO', 'memory'],
    ...keep,
  ];
}
