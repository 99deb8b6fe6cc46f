import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Provider } from './protocol/provider-names.ts';

/** Everything one model server needs to know; only `models` has no default. */
export type ModelServerSettings = {
  /** The model repository: `{models}/{model}/{version}/model.onnx`. */
  readonly models: string;
  /** What this server is called in the log. */
  readonly name: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Threads of one run. More servers use a machine better than more threads. */
  readonly threads: number;
  /** Requests of one version that may wait for their turn; more are refused with 429. */
  readonly maxQueue: number;
  /** Execution providers, tried in this order. */
  readonly providers: readonly Provider[];
  /** Whether a fall-back from the first provider fails a load, and ends a server that has just started. */
  readonly requireProvider: boolean;
  /** Whether versions are loaded once (`fixed`), as the folder changes (`poll`) or when asked for (`explicit`). */
  readonly control: 'fixed' | 'poll' | 'explicit';
  /** How long `poll` waits between two looks, in milliseconds. */
  readonly pollIntervalMs: number;
  /** The models that `explicit` loads at the start; undefined for all. */
  readonly load: readonly string[] | undefined;
  /** Largest request body in bytes. */
  readonly bodyLimit: number;
  /** Of all bodies held at once, unpacked, together, in bytes; more are refused with 429. */
  readonly uploadMemory: number;
  /** How long `close` goes on serving with readiness off, so that load balancers notice, in milliseconds. */
  readonly drainGraceMs: number;
  /** How long `close` waits for slow clients before it cuts their connections, in milliseconds. */
  readonly closeGraceMs: number;
  readonly logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  /** Used in place of a logger of `logLevel` on standard output. */
  readonly logger: Logger | undefined;
  /** Called once if an inference thread dies, after the server has closed; by default the process exits with 1. */
  readonly onDeath: (error: Error) => void;
};

/** The settings of a server nobody configured. */
export const DEFAULT_SETTINGS: Omit<ModelServerSettings, 'models'> = {
  name: 'model-server',
  host: '127.0.0.1',
  port: 9101,
  threads: 1,
  maxQueue: 128,
  providers: ['cpu'],
  requireProvider: false,
  control: 'fixed',
  pollIntervalMs: 5_000,
  load: undefined,
  bodyLimit: 64 * 1024 * 1024,
  uploadMemory: 256 * 1024 * 1024,
  drainGraceMs: 0,
  closeGraceMs: 30_000,
  logLevel: 'info',
  logger: undefined,
  onDeath: () => process.exit(1),
};

/** The version in package.json, which stands two folders above the compiled file. */
export const VERSION: string = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
