// Settings of the two servers: what each flag and environment variable means, in one table a command.
import type { OptionTable, Values } from './cli/options.ts';

const SECOND = 1000;
const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
const MEBIBYTE = 1024 * 1024;

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
  'body-limit': { kind: 'bytes', env: 'SLUICE_BODY_LIMIT', default: 16 * MEBIBYTE, help: 'largest request body' },
  'log-level': { kind: 'choice', of: LEVELS, env: 'SLUICE_LOG_LEVEL', default: 'info', help: 'how much to log' },
} as const satisfies OptionTable;

/** Where a gateway remembers things, beyond its data folder. */
export const STORE_OPTIONS = {
  'redis-prefix': {
    kind: 'string',
    env: 'SLUICE_REDIS_PREFIX',
    default: 'sluice',
    help: 'what every key in Redis begins with; Redis itself is REDIS_URL',
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

/** `sluice model-server`. */
export const MODEL_SERVER_OPTIONS = {
  models: {
    kind: 'string',
    env: 'SLUICE_MODELS',
    default: 'config/models',
    help: 'repository: {model}/{version}/model.onnx',
  },
  host: { kind: 'string', env: 'SLUICE_MODEL_SERVER_HOST', default: '127.0.0.1', help: 'address to listen on' },
  port: { kind: 'port', env: 'SLUICE_MODEL_SERVER_PORT', default: 9101, help: 'its port; 0 takes a free one' },
  threads: {
    kind: 'count',
    env: 'SLUICE_MODEL_SERVER_THREADS',
    default: 1,
    help: 'threads of one run; more servers beat more threads',
  },
  'max-queue': {
    kind: 'count',
    env: 'SLUICE_MODEL_SERVER_MAX_QUEUE',
    default: 128,
    help: 'requests that may wait; beyond it 429',
  },
  'body-limit': {
    kind: 'bytes',
    env: 'SLUICE_MODEL_SERVER_BODY_LIMIT',
    default: 64 * MEBIBYTE,
    help: 'largest request body',
  },
  'log-level': { kind: 'choice', of: LEVELS, env: 'SLUICE_LOG_LEVEL', default: 'info', help: 'how much to log' },
} as const satisfies OptionTable;

export type GatewaySettings = {
  readonly policy: string;
  readonly data: string;
  readonly host: string;
  readonly port: number;
  readonly adminHost: string;
  readonly adminPort: number;
  /** From the environment only: a flag would show in the list of processes. */
  readonly adminToken: string | undefined;
  readonly drainGraceMs: number;
  readonly bodyLimit: number;
  readonly logLevel: string;
};

/** A gateway's settings from its option values and the environment's one secret. */
export function gatewaySettings(values: Values<typeof GATEWAY_OPTIONS>, env: NodeJS.ProcessEnv): GatewaySettings {
  return {
    policy: values.policy,
    data: values.data,
    host: values.host,
    port: values.port,
    adminHost: values['admin-host'],
    adminPort: values['admin-port'],
    adminToken: env.SLUICE_ADMIN_TOKEN?.trim() || undefined,
    drainGraceMs: values['drain-grace'],
    bodyLimit: values['body-limit'],
    logLevel: values['log-level'],
  };
}
