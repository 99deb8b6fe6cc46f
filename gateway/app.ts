// How a gateway starts, follows its policy and drains. It decides nothing, and wire/ opens the parts.
import { setTimeout as sleep } from 'node:timers/promises';
import { requireToken } from './admin/auth.ts';
import { createLog } from './observe/log.ts';
import type { PolicyInForce } from './policy/load/in-force.ts';
import type { Policy } from './policy/policy.ts';
import { closeListener } from './receive/http/listener.ts';
import type { GatewaySettings } from './settings.ts';
import { createListeners, type Listeners, listenBoth } from './wire/listeners.ts';
import { openParts, type Parts } from './wire/parts.ts';
import { openPolicy } from './wire/policy.ts';
import { FIRST_LOOK_MS } from './wire/upstream.ts';

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
  const lines = createLog(settings.logLevel, 'sluice-gateway');
  const { log } = lines;
  const inForce = await openPolicy(settings, log);
  const parts = await openParts(settings, inForce, lines).catch(async (error: unknown) => {
    await inForce.close();
    throw error;
  });
  const listeners = createListeners(settings, inForce, parts);
  const { url, adminUrl } = await parts.upstream
    .start()
    .then(() => Promise.race([parts.judge.start(), sleep(FIRST_LOOK_MS)]))
    .then(() => listenBoth(listeners, settings))
    .catch(async (error: unknown) => {
      await closeAll(inForce, parts);
      throw error;
    });
  follow(settings, inForce, parts);
  log.info({ url, adminUrl, policy: settings.policy, sha256: inForce.policy.sha256 }, 'gateway is serving');
  return { url, adminUrl, close: once(() => drain(settings, inForce, parts, listeners)) };
}

/** Hands every new policy to the parts. */
function follow(settings: GatewaySettings, inForce: PolicyInForce, parts: Parts): void {
  const { upstream, metrics, missed, judge, shadows, log } = parts;
  let { sha256 } = inForce.policy;
  inForce.watch(({ policy, tookMs }) => {
    upstream.update(policy);
    metrics.follow(policy);
    missed.follow(policy);
    judge.update(policy);
    shadows.update(policy);
    const what = policy.sha256 === sha256 ? 'other certificates are in force' : 'a new policy is in force';
    sha256 = policy.sha256;
    log.info({ policy: settings.policy, sha256, tookMs }, what);
  });
}

async function drain(
  settings: GatewaySettings,
  inForce: PolicyInForce,
  parts: Parts,
  { data, admin, startDraining }: Listeners,
): Promise<void> {
  const { overload, judge, shadows, upstream, store, faults, log } = parts;
  startDraining();
  log.info({ graceMs: settings.drainGraceMs }, 'gateway is draining');
  await sleep(settings.drainGraceMs);
  await inForce.close();
  // By then everything in flight is answered or past its deadline; a stream that goes on and on is cut.
  const longest = Math.min(longestTimeout(inForce.policy), settings.drainTimeoutMs);
  await closeListener(data, longest + LAST_WRITES_MS);
  overload.close();
  await closeListener(admin, LAST_WRITES_MS);
  await judge.close();
  await shadows.close();
  await Promise.all([upstream.close(), store.close()]);
  faults.close();
  log.info('gateway has drained');
}

async function closeAll(inForce: PolicyInForce, { overload, judge, shadows, upstream, store }: Parts): Promise<void> {
  overload.close();
  await judge.close();
  await shadows.close();
  await Promise.all([inForce.close(), upstream.close(), store.close()]);
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
