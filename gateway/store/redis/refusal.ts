// Why Redis did not do something: the kind, for counting, and words for an operator.

/** The first four are of the connection; all others are answers of Redis. */
export type RefusalKind =
  | 'lost'
  | 'timeout'
  | 'certificate'
  | 'credentials'
  | 'permission'
  | 'moved'
  | 'replica'
  | 'full'
  | 'disk'
  | 'loading'
  | 'type'
  | 'other';

const KINDS: readonly (readonly [RefusalKind, RegExp])[] = [
  ['lost', /^Redis (does not give database|is a Cluster, which)|DB index is out of range/], // what connections.ts says of them
  ['certificate', /certificate|altnames|self-signed|SSL|TLS/i],
  ['permission', /NOPERM|The user executing the script can't/],
  ['credentials', /NOAUTH|WRONGPASS|invalid password|without any password/i],
  ['moved', /^(MOVED|ASK|CLUSTERDOWN|TRYAGAIN|CROSSSLOT)\b|Too many Cluster redirections/],
  ['replica', /^(READONLY|MASTERDOWN|NOREPLICAS)\b/],
  ['full', /^OOM\b/],
  ['disk', /^MISCONF\b/],
  ['loading', /^(LOADING|BUSY)\b/],
  ['type', /^WRONGTYPE\b/],
  ['timeout', /timed out|timeout/i],
  [
    'lost',
    /isn't writeable|Connection is closed|ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|Cluster isn't ready|Failed to refresh slots|startup nodes|Cluster is |max retries per request|sentinels are unreachable|not connected|socket/i,
  ],
];

export function kindOf(message: string): RefusalKind {
  return KINDS.find(([, pattern]) => pattern.test(message))?.[0] ?? 'other';
}

/** Whether it says something of the connection, and nothing of what was asked. */
export function isAway(kind: RefusalKind): boolean {
  return ['lost', 'timeout', 'certificate', 'credentials'].includes(kind);
}

/** What is wrong, in words for an operator, with what to do. Messages of Redis never hold the password. */
export function reasonOf(message: string): string {
  switch (kindOf(message)) {
    case 'credentials':
      return `Redis refuses these credentials (${message}); check the user and password in REDIS_URL`;
    case 'certificate':
      return `no TLS connection to Redis (${message}); check --redis-ca, and scheme and names in REDIS_URL`;
    case 'moved':
      return message.startsWith('CLUSTERDOWN')
        ? `the Redis Cluster is incomplete (${message}); look at CLUSTER INFO and CLUSTER NODES there`
        : `this Redis is a node of a Cluster that does not hold the keys of Sluice (${message}); name several nodes in REDIS_URL, with commas between`;
    case 'replica':
      return `this Redis is a replica and takes no writes (${message}); name its primary in REDIS_URL, or its sentinels`;
    case 'full':
      return 'Redis is full: raise its maxmemory, or let Sluice keep less';
    case 'disk':
      return `Redis cannot write to its disk (${message})`;
    case 'timeout':
      return `Redis gave no answer in time (${message}); look at its load and at the network`;
    case 'lost':
      if (message.startsWith('ERR DB index'))
        return `Redis has no such database (${message}); check its number in REDIS_URL`;
      if (message.startsWith("Stream isn't writeable")) return 'Redis is not connected';
      return /^(connect|getaddrinfo) /.test(message)
        ? `Redis cannot be reached (${message}); where it should be well, check scheme, host and port in REDIS_URL`
        : message;
    case 'type':
      return `a Redis key of Sluice holds what another application wrote (${message}); choose another --redis-prefix`;
    default:
      return message;
  }
}
