// Opens the two listeners, and connects them to the parts.
import type { FastifyInstance } from 'fastify';
import { listenError } from '../errors.ts';
import type { PolicyInForce } from '../policy/load/in-force.ts';
import type { GatewaySettings } from '../settings.ts';
import { createAdminListener } from './admin-listener.ts';
import { createDataListener, type Open } from './data-listener.ts';
import { openLadders } from './ladders.ts';
import type { Parts } from './parts.ts';

export type Listeners = {
  readonly data: FastifyInstance;
  readonly admin: FastifyInstance;
  readonly startDraining: () => void;
};

/** Both listeners, before they listen. */
export function createListeners(settings: GatewaySettings, inForce: PolicyInForce, parts: Parts): Listeners {
  const { log } = parts;
  let draining = false;
  const common: Open['common'] = {
    limits: settings.limits,
    trustedProxies: settings.trustedProxies,
    isDraining: () => draining,
    onBug: (error, requestId) => log.error({ err: error, requestId }, 'a bug of the gateway'),
  };
  const open: Open = { settings, inForce, parts, common, tiering: openLadders(inForce, parts.metrics, log) };
  return {
    data: createDataListener(open),
    admin: createAdminListener(open),
    startDraining: () => {
      draining = true;
    },
  };
}

/** Throws UserError for an address on which nobody can listen. */
export async function listenBoth(
  { data, admin }: Listeners,
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
