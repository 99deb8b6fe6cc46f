import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import { createApp } from './app.ts';
import { createMetrics } from './metrics.ts';
import { Models } from './models.ts';
import { type Scan, scanRepository } from './repository.ts';
import { Runner } from './runner.ts';
import { DEFAULT_SETTINGS, type ModelServerSettings } from './settings.ts';

/** A model server that listens; it may still be loading. */
export type ModelServer = {
  /** Where it listens, without a trailing slash. */
  readonly url: string;
  /** Resolves when every version has finished loading, well or badly. */
  readonly loaded: Promise<void>;
  /** Readiness off, no new connections, every accepted request answered, the worker ended; calling it again is harmless. */
  readonly close: () => Promise<void>;
};

/**
 * Starts a model server: it listens first, so that it can say it lives, then loads its repository.
 * Rejects when the repository is missing or empty (RepositoryError), or the port is taken (code `EADDRINUSE`).
 */
export async function startModelServer(
  given: Partial<ModelServerSettings> & Pick<ModelServerSettings, 'models'>,
): Promise<ModelServer> {
  const settings = { ...DEFAULT_SETTINGS, ...given };
  const log = settings.logger ?? pino({ name: settings.name, level: settings.logLevel });
  const scan = await scanRepository(settings.models);
  const server = assemble(settings, log);
  try {
    await server.app.listen({ host: settings.host, port: settings.port });
  } catch (error) {
    await server.runner.close();
    throw error;
  }
  const url = urlOf(server.app);
  log.info({ url, models: settings.models, versions: scan.versions.length }, 'listening');
  const loaded = load(server.models, scan, log);
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= shutDown(server, settings.closeGraceMs, log);
    return closing;
  };
  return { url, loaded, close };
}

type Server = {
  readonly app: FastifyInstance;
  readonly models: Models;
  readonly runner: Runner;
  readonly drain: () => void;
};

function assemble(settings: ModelServerSettings, log: Logger): Server {
  let isDraining = false;
  const { threads, maxQueue, bodyLimit } = settings;
  const runner = new Runner({
    threads,
    maxQueue,
    onDeath: (error) => {
      log.fatal({ err: error }, 'the inference thread died: this server ends');
      // The requests it took along are answered in the meantime.
      setTimeout(() => settings.onDeath(error), 100);
    },
  });
  const models = new Models(settings.models, runner, log);
  const metrics = createMetrics({ waiting: () => runner.waiting, versions: () => models.all() });
  const app = createApp({ models, runner, metrics, log, bodyLimit, isDraining: () => isDraining });
  const drain = () => {
    isDraining = true;
  };
  return { app, models, runner, drain };
}

async function load(models: Models, { versions, ignored }: Scan, log: Logger): Promise<void> {
  for (const reason of ignored) {
    log.warn({ reason }, 'ignored in the repository');
  }
  await models.loadAll(versions);
  log.info({ ready: models.isReady() }, 'loaded');
}

async function shutDown({ app, runner, drain }: Server, graceMs: number, log: Logger): Promise<void> {
  drain();
  log.info('closing');
  // Requests that arrive on open connections meanwhile are still served; each answer closes its connection.
  const cut = setTimeout(() => app.server.closeAllConnections(), graceMs);
  await app.close();
  clearTimeout(cut);
  await runner.close();
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
