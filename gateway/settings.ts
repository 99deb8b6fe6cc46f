// Settings of the two servers: what each flag and environment variable means, in one table a command.
import { readFileSync } from 'node:fs';
import type { OptionTable, Values } from './cli/options.ts';
import { UserError } from './errors.ts';
import { isForbiddenHost } from './policy/url.ts';
import { readTrustedProxies, type TrustedProxies } from './receive/http/claims.ts';
import type { Limits } from './receive/http/listener.ts';

export const SECOND = 1000;
const SHORTEST_TIMEOUT_MS = 100;
export const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export const MEBIBYTE = 1024 * 1024;

/** `sluice gateway`. */
export const GATEWAY_OPTIONS = {
  policy: {
    kind: 'string',
    env: 'SLUICE_POLICY',
    default: 'config/policy.yaml',
    help: 'the routing policy, a YAML file',
  },
  host: { kind: 'string', env: 'SLUICE_HOST', default: '127.0.0.1', help: 'address that applications call' },
  port: { kind: 'port', env: 'SLUICE_PORT', default: 8080, help: 'its port; 0 takes a free one' },
  'admin-host': {
    kind: 'string',
    env: 'SLUICE_ADMIN_HOST',
    default: '127.0.0.1',
    help: 'address for metrics, probes and status',
  },
  'admin-port': { kind: 'port', env: 'SLUICE_ADMIN_PORT', default: 8081, help: 'its port; 0 takes a free one' },
  data: { kind: 'string', env: 'SLUICE_DATA', default: 'data', help: 'folder for what must survive a restart' },
  'drain-grace': {
    kind: 'milliseconds',
    env: 'SLUICE_DRAIN_GRACE',
    default: 5 * SECOND,
    help: 'on SIGTERM, go on serving this long after readiness turned off, so that load balancers notice',
  },
  'drain-timeout': {
    kind: 'milliseconds',
    env: 'SLUICE_DRAIN_TIMEOUT',
    default: 60 * SECOND,
    help: 'after the grace time, let requests in flight go on for at most this long',
  },
  'body-limit': { kind: 'bytes', env: 'SLUICE_BODY_LIMIT', default: 16 * MEBIBYTE, help: 'largest request body' },
  'upload-memory': {
    kind: 'bytes',
    env: 'SLUICE_UPLOAD_MEMORY',
    default: 256 * MEBIBYTE,
    help: 'all request bodies held at once, together; beyond it 503',
  },
  'answer-memory': {
    kind: 'bytes',
    env: 'SLUICE_ANSWER_MEMORY',
    default: 256 * MEBIBYTE,
    help: 'all answers held at once, together; beyond it 503',
  },
  'max-connections': {
    kind: 'count',
    env: 'SLUICE_MAX_CONNECTIONS',
    default: 10_000,
    help: 'open connections of callers; beyond it the longest idle one is closed, or else the new one refused',
  },
  'request-timeout': {
    kind: 'milliseconds',
    env: 'SLUICE_REQUEST_TIMEOUT',
    default: 25 * SECOND,
    help: 'a request must be here whole within this time, its head within 10s; otherwise 408',
    check: checkTimeout,
  },
  'answer-timeout': {
    kind: 'milliseconds',
    env: 'SLUICE_ANSWER_TIMEOUT',
    default: 20 * SECOND,
    help: 'a caller that takes nothing of its answer for this long is cut off',
    check: checkTimeout,
  },
  'trusted-proxies': {
    kind: 'string',
    env: 'SLUICE_TRUSTED_PROXIES',
    default: '',
    without: 'none if left out',
    help: 'addresses whose Forwarded and X-Forwarded-* headers are passed on, such as 10.0.0.0/8,::1',
    check: readTrustedProxies,
  },
  'log-level': { kind: 'choice', of: LEVELS, env: 'SLUICE_LOG_LEVEL', default: 'info', help: 'how much to log' },
} as const satisfies OptionTable;

/** How a gateway judges rollouts. */
export const JUDGE_OPTIONS = {
  judge: {
    kind: 'choice',
    of: ['on', 'off'],
    env: 'SLUICE_JUDGE',
    default: 'on',
    help: 'off is the kill switch: rollouts start and move by no one but people and alerts',
  },
  'notify-url': {
    kind: 'string',
    env: 'SLUICE_NOTIFY_URL',
    default: '',
    without: 'none if left out',
    help: 'webhook that gets a JSON notice of every move of a rollout',
    check: checkWebhook,
  },
} as const satisfies OptionTable;

/** Where a gateway remembers things, beyond its data folder. */
export const STORE_OPTIONS = {
  'redis-prefix': {
    kind: 'string',
    env: 'SLUICE_REDIS_PREFIX',
    default: 'sluice',
    help: 'what every key in Redis begins with; Redis itself is REDIS_URL: redis://, rediss:// or redis+sentinel://',
  },
  'redis-ca': {
    kind: 'string',
    env: 'SLUICE_REDIS_CA',
    default: '',
    help: 'with rediss://: PEM file of the CA that signed the certificate of Redis',
  },
} as const satisfies OptionTable;

/** A store's settings (`StoreSettings`) from its option values. The address of Redis may hold a password: only the environment has it. */
export function storeSettings(values: Values<typeof STORE_OPTIONS>, data: string, env: NodeJS.ProcessEnv) {
  return {
    data,
    redisUrl: env.REDIS_URL?.trim() || undefined,
    redisPrefix: values['redis-prefix'],
    redisCa: values['redis-ca'] || undefined,
  };
}

export type GatewaySettings = {
  readonly policy: string;
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly adminHost: string;
  readonly adminPort: number;
  /** From the environment only: a flag would show in the list of processes. */
  readonly adminToken: string | undefined;
  readonly redisUrl: string | undefined;
  readonly redisPrefix: string;
  readonly redisCa: string | undefined;
  /** Whether rollouts move by themselves. */
  readonly isAutomatic: boolean;
  readonly notifyUrl: string | undefined;
  readonly drainGraceMs: number;
  readonly drainTimeoutMs: number;
  readonly limits: Limits;
  readonly trustedProxies: TrustedProxies;
  readonly logLevel: string;
};

/** Everything that `sluice gateway` takes. */
export const GATEWAY_COMMAND_OPTIONS = { ...GATEWAY_OPTIONS, ...JUDGE_OPTIONS, ...STORE_OPTIONS } as const;

/** A gateway's settings from its option values and the environment's one secret. */
export function gatewaySettings(
  values: Values<typeof GATEWAY_COMMAND_OPTIONS>,
  env: NodeJS.ProcessEnv,
): GatewaySettings {
  return {
    policy: values.policy,
    ...storeSettings(values, values.data, env),
    isAutomatic: values.judge === 'on',
    notifyUrl: values['notify-url'] || undefined,
    host: values.host,
    port: values.port,
    adminHost: values['admin-host'],
    adminPort: values['admin-port'],
    adminToken: adminTokenIn(env),
    drainGraceMs: values['drain-grace'],
    drainTimeoutMs: values['drain-timeout'],
    limits: {
      bodyLimit: Math.min(values['body-limit'], values['upload-memory']),
      uploadMemory: values['upload-memory'],
      answerMemory: values['answer-memory'],
      maxConnections: values['max-connections'],
      requestTimeoutMs: values['request-timeout'],
      answerTimeoutMs: values['answer-timeout'],
    },
    trustedProxies: readTrustedProxies(values['trusted-proxies'], '--trusted-proxies'),
    logLevel: values['log-level'],
  };
}

function checkWebhook(text: string, source: string): void {
  if (text === '') return;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && isForbiddenHost(url.hostname))
    throw new UserError(`${source}: ${url.host} is a link-local, metadata or multicast address, and no webhook`, 2);
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new UserError(`${source}: expected an address such as https://hooks.example/abc, got "${text}"`, 2);
}

/** Zero would mean no limit to Node. */
function checkTimeout(milliseconds: number, source: string): void {
  if (milliseconds < SHORTEST_TIMEOUT_MS)
    throw new UserError(`${source}: expected at least ${SHORTEST_TIMEOUT_MS}ms, got ${milliseconds}ms`, 2);
}

/** The admin token, itself or in a file as Docker and Kubernetes mount secrets. Throws UserError when the file cannot be used. */
function adminTokenIn(env: NodeJS.ProcessEnv): string | undefined {
  const [token, file] = [env.SLUICE_ADMIN_TOKEN?.trim(), env.SLUICE_ADMIN_TOKEN_FILE];
  if (token || !file) return token || undefined;
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new UserError(`SLUICE_ADMIN_TOKEN_FILE: ${(error as Error).message}`, 2, { cause: error });
  }
  if (text === '') throw new UserError(`SLUICE_ADMIN_TOKEN_FILE: ${file} is empty`, 2);
  return text;
}
