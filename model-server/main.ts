import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import { RepositoryError } from './errors.ts';
import { createApp } from './http/app.ts';
import { BodyMemory } from './http/body-memory.ts';
import { Reader } from './http/reader.ts';
import { createMetrics } from './metrics.ts';
import { Lifecycle } from './repository/lifecycle.ts';
import { Models } from './repository/models.ts';
import { pollRepository } from './repository/poll.ts';
import { type Scan, scanRepository } from './repository/repository.ts';
import { DEFAULT_SETTINGS, type ModelServerSettings } from './settings.ts';

/** A model server that listens; it may still be loading. */
export type ModelServer = {
  /** Where it listens, without a trailing slash. */
  readonly url: string;
  /**
   * Resolves when every version has finished loading, well or badly. Rejects with a ProviderError, the server closed,
   * when `requireProvider` is set and a version would have fallen back.
   */
  readonly loaded: Promise<void>;
  /** Readiness off, no new connections, every accepted request answered, the workers ended; calling it again is harmless. */
  readonly close: () => Promise<void>;
};

/**
 * Starts a model server: it listens first, so that it can say it lives, then loads its repository.
 * Rejects when the repository is missing or, unless it may fill later, empty (RepositoryError), or the port is taken
 * (code `EADDRINUSE`).
 */
export async function startModelServer(
  given: Partial<ModelServerSettings> & Pick<ModelServerSettings, 'models'>,
): Promise<ModelServer> {
  const settings = { ...DEFAULT_SETTINGS, ...given };
  const log = settings.logger ?? pino({ name: settings.name, level: settings.logLevel });
  const scan = await scanRepository(settings.models);
  if (scan.versions.length === 0 && settings.control === 'fixed') {
    throw new RepositoryError(`the model repository ${settings.models} holds no {model}/{version}/model.onnx`);
  }
  let closing: Promise<void> | undefined;
  const close = (drainGraceMs = settings.drainGraceMs) => {
    closing ??= shutDown(server, { ...settings, drainGraceMs }, log);
    return closing;
  };
  const server = assemble(settings, log, close);
  await server.app.listen({ host: settings.host, port: settings.port });
  const url = urlOf(server.app);
  log.info({ url, models: settings.models, versions: scan.versions.length }, 'listening');
  const loaded = load(server, scan, settings, log, () => close(0)); // nobody was sent to a server that was not ready
  // Whoever does not wait for it hears of it from the log.
  loaded.catch(() => undefined);
  return { url, loaded, close: () => close() };
}

type Server = {
  readonly app: FastifyInstance;
  readonly lifecycle: Lifecycle;
  readonly reader: Reader;
  readonly drain: () => void;
  readonly isDraining: () => boolean;
  /** What is to be stopped before the rest is. */
  readonly stops: (() => void)[];
};

function assemble(settings: ModelServerSettings, log: Logger, close: () => Promise<void>): Server {
  let isDraining = false;
  const { models: root, threads, maxQueue, providers, requireProvider, uploadMemory } = settings;
  const bodyLimit = Math.min(settings.bodyLimit, uploadMemory);
  const bodies = new BodyMemory(uploadMemory);
  const models = new Models();
  const metrics = createMetrics(models, bodies);
  const lifecycle = new Lifecycle(models, {
    root,
    threads,
    maxQueue,
    providers,
    requireProvider,
    log,
    onExecution: metrics.executed,
    onForget: metrics.forget,
    onDeath: (error) => {
      log.fatal({ err: error }, 'an inference thread died: this server ends');
      // Exiting within a run of another thread would abort the process.
      void Promise.race([close(), sleep(settings.closeGraceMs, undefined, { ref: false })]).then(() =>
        settings.onDeath(error),
      );
    },
  });
  const isExplicit = settings.control === 'explicit';
  const server = {
    lifecycle,
    reader: new Reader(),
    drain: () => {
      isDraining = true;
    },
    isDraining: () => isDraining,
    stops: [],
  };
  return { ...server, app: createApp({ ...server, models, metrics, log, bodyLimit, bodies, isExplicit }) };
}

async function load(
  { lifecycle, stops, isDraining }: Server,
  { versions, ignored }: Scan,
  { control, load: only, pollIntervalMs, requireProvider }: ModelServerSettings,
  log: Logger,
  giveUp: () => Promise<void>,
): Promise<void> {
  for (const reason of ignored) {
    log.warn({ reason }, 'ignored in the repository');
  }
  await lifecycle.start(versions, control === 'explicit' ? only : undefined);
  log.info({ ready: lifecycle.isReady }, 'loaded');
  if (requireProvider && lifecycle.providerProblem !== undefined) {
    await giveUp();
    throw lifecycle.providerProblem;
  }
  if (control === 'poll' && !isDraining()) {
    stops.push(pollRepository(lifecycle, pollIntervalMs, log));
  }
}

async function shutDown(server: Server, { drainGraceMs, closeGraceMs }: ModelServerSettings, log: Logger) {
  const { app, lifecycle, reader, drain, stops } = server;
  drain();
  log.info('closing');
  for (const stop of stops) {
    stop();
  }
  await sleep(drainGraceMs);
  // Requests that arrive on open connections meanwhile are still served; each answer closes its connection.
  const cut = setTimeout(() => app.server.closeAllConnections(), closeGraceMs);
  await app.close();
  clearTimeout(cut);
  await Promise.all([lifecycle.close(), reader.close()]);
  log.info('closed');
}

function urlOf(app: FastifyInstance): string {
  const address = app.server.address();
  if (address === null || typeof address === 'string') {
    throw new Error('the server has no address');
  }
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  return `http://${host}:${address.port}`;
}
