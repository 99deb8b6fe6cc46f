// Wires the gateway together and decides nothing: policy, fleet, two listeners, and how they start and drain.
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { ADMIN_PATHS, addAdminRoutes } from './admin/api.ts';
import { requireToken } from './admin/auth.ts';
import { statusOf } from './admin/status.ts';
import type { GatewaySettings } from './env.ts';
import { listenError } from './errors.ts';
import { Fleet } from './forward/fleet.ts';
import { createLog, type Logger } from './observe/log.ts';
import { createMetrics } from './observe/metrics.ts';
import { createRecorder } from './observe/record.ts';
import { perRequest } from './per-request.ts';
import { PolicyInForce } from './policy/in-force.ts';
import type { Policy } from './policy/policy.ts';
import { closeListener, createListener } from './receive/listener.ts';
import { addRoutes, DATA_PATHS } from './receive/routes.ts';
import { VERSION } from './version.ts';

/** For answers that are on their way when the deadline passes. */
const LAST_WRITES_MS = 1000;

export type Gateway = {
  /** Where applications call. */
  readonly url: string;
  readonly adminUrl: string;
  /** Drains: readiness off, the grace time served, what is in flight answered, then closed; again, the same end. */
  readonly close: () => Promise<void>;
};

/** Starts a gateway. Throws UserError for a policy, address or setting it cannot start with. */
export async function startGateway(settings: GatewaySettings): Promise<Gateway> {
  requireToken(settings.adminHost, settings.adminToken);
  const log = createLog(settings.logLevel, 'sluice-gateway');
  const inForce = new PolicyInForce({
    file: settings.policy,
    folder: settings.data,
    onTrouble: (message) => log.error({ policy: settings.policy }, message),
  });
  await inForce.open();
  const fleet = new Fleet(inForce.policy.fleet.values());
  const apps = createApps(settings, inForce, fleet, log);
  const { url, adminUrl } = await listenBoth(apps, settings).catch(async (error: unknown) => {
    await inForce.close();
    throw error;
  });
  inForce.watch((policy) => {
    fleet.update(policy.fleet.values());
    log.info({ policy: settings.policy, sha256: policy.sha256 }, 'a new policy is in force');
  });
  log.info({ url, adminUrl, policy: settings.policy, sha256: inForce.policy.sha256 }, 'gateway is serving');
  const close = once(async () => {
    apps.startDraining();
    log.info({ graceMs: settings.drainGraceMs }, 'gateway is draining');
    await sleep(settings.drainGraceMs);
    await inForce.close();
    // By then everything in flight is answered or past its deadline.
    await closeListener(apps.data, longestTimeout(inForce.policy) + LAST_WRITES_MS);
    await Promise.all([closeListener(apps.admin, LAST_WRITES_MS), fleet.close()]);
    log.info('gateway has drained');
  });
  return { url, adminUrl, close };
}

type Apps = { readonly data: FastifyInstance; readonly admin: FastifyInstance; readonly startDraining: () => void };

function createApps(settings: GatewaySettings, inForce: PolicyInForce, fleet: Fleet, log: Logger): Apps {
  const startedAt = new Date().toISOString();
  let draining = false;
  const isDraining = () => draining;
  const servers = () => fleet.readings(performance.now());
  const metrics = createMetrics(VERSION, () => inForce.standing, servers);
  const common = {
    limits: settings.limits,
    trustedProxies: settings.trustedProxies,
    isDraining,
    onBug: (error: unknown, requestId: string) => log.error({ err: error, requestId }, 'a bug of the gateway'),
  };
  const data = createListener({ ...common, paths: DATA_PATHS, onRefused: metrics.refused });
  const record = createRecorder(metrics, log);
  addRoutes(data, {
    serve: (facts, onLeave) =>
      perRequest({ policy: inForce.policy, fleet, record, random: Math.random }, facts, onLeave),
    isDraining,
    version: VERSION,
  });
  // The metric of refused requests counts those of applications.
  const admin = createListener({ ...common, paths: ADMIN_PATHS, onRefused: () => {} });
  const status = () =>
    statusOf({
      version: VERSION,
      startedAt,
      draining,
      policy: inForce.policy,
      standing: inForce.standing,
      servers: servers(),
    });
  addAdminRoutes(admin, { token: settings.adminToken, metrics, status, isDraining });
  return {
    data,
    admin,
    startDraining: () => {
      draining = true;
    },
  };
}

async function listenBoth(
  { data, admin }: Apps,
  settings: GatewaySettings,
): Promise<{ url: string; adminUrl: string }> {
  const url = await listen(data, settings.host, settings.port, '--port');
  const adminUrl = await listen(admin, settings.adminHost, settings.adminPort, '--admin-port').catch(
    async (error: unknown) => {
      await data.close();
      throw error;
    },
  );
  return { url, adminUrl };
}

async function listen(app: FastifyInstance, host: string, port: number, flag: string): Promise<string> {
  return app.listen({ host, port }).catch((error: unknown) => {
    throw listenError(error, host, port, flag);
  });
}

function longestTimeout({ models }: Policy): number {
  const timeouts = [...models.values()].map((model) => (model.kind === 'served' ? model.timeoutMs : 0));
  return timeouts.reduce((longest, timeout) => Math.max(longest, timeout), 0);
}

/** The same end for everyone who asks for it. */
function once(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => {
    running ??= run();
    return running;
  };
}
