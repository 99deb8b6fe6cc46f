// What `sluice model-server` takes.
import { PROVIDERS, parseProviders } from '../../../model-server/protocol/provider-names.ts';
import { UserError } from '../../errors.ts';
import { LEVELS, MEBIBYTE, SECOND } from '../../settings.ts';
import type { OptionTable } from '../options.ts';

/** `sluice model-server`. */
export const MODEL_SERVER_OPTIONS = {
  models: {
    kind: 'string',
    env: 'SLUICE_MODELS',
    default: 'config/models',
    help: 'repository: {model}/{version}/model.onnx, with a model.yaml where you like',
  },
  host: { kind: 'string', env: 'SLUICE_MODEL_SERVER_HOST', default: '127.0.0.1', help: 'address to listen on' },
  port: { kind: 'port', env: 'SLUICE_MODEL_SERVER_PORT', default: 9101, help: 'its port; 0 takes a free one' },
  'model-control': {
    kind: 'choice',
    of: ['fixed', 'poll', 'explicit'],
    env: 'SLUICE_MODEL_CONTROL',
    default: 'fixed',
    help: 'load once at the start, follow the repository, or load and unload by call',
  },
  'poll-interval': {
    kind: 'milliseconds',
    env: 'SLUICE_POLL_INTERVAL',
    default: 5 * SECOND,
    help: 'how often poll looks at the repository',
  },
  load: {
    kind: 'string',
    env: 'SLUICE_LOAD',
    default: '*',
    help: 'what explicit loads at the start: models between commas, * for all, none for none',
  },
  providers: {
    kind: 'string',
    env: 'SLUICE_PROVIDERS',
    default: 'cpu',
    help: 'cuda, tensorrt, webgpu or cpu between commas: the first that works runs a model',
    check: checkProviders,
  },
  'require-provider': { kind: 'flag', help: 'refuse to start when the first of them does not work' },
  threads: {
    kind: 'count',
    env: 'SLUICE_MODEL_SERVER_THREADS',
    default: 1,
    help: 'threads of one run; more instances or servers beat more threads',
  },
  'max-queue': {
    kind: 'count',
    env: 'SLUICE_MODEL_SERVER_MAX_QUEUE',
    default: 128,
    help: 'requests of one version that may wait; beyond it 429',
  },
  'body-limit': {
    kind: 'bytes',
    env: 'SLUICE_MODEL_SERVER_BODY_LIMIT',
    default: 64 * MEBIBYTE,
    help: 'largest request body, unpacked',
  },
  'upload-memory': {
    kind: 'bytes',
    env: 'SLUICE_MODEL_SERVER_UPLOAD_MEMORY',
    default: 256 * MEBIBYTE,
    help: 'all request bodies held at once, unpacked, together; beyond it 429',
  },
  'drain-grace': {
    kind: 'milliseconds',
    env: 'SLUICE_MODEL_SERVER_DRAIN_GRACE',
    default: 0,
    help: 'on SIGTERM, go on serving this long after readiness turned off, so that load balancers notice',
  },
  'log-level': { kind: 'choice', of: LEVELS, env: 'SLUICE_LOG_LEVEL', default: 'info', help: 'how much to log' },
} as const satisfies OptionTable;

function checkProviders(text: string, source: string): void {
  if (parseProviders(text) === undefined)
    throw new UserError(`${source}: expected some of ${PROVIDERS.join(', ')}, each once, got "${text}"`, 2);
}
