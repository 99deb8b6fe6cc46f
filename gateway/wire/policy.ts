// Opens the policy: what is in force, and what its file says of itself.
import type { Logger } from '../observe/log.ts';
import { PolicyInForce } from '../policy/load/in-force.ts';
import type { GatewaySettings } from '../settings.ts';

/** Throws UserError for a policy that a gateway cannot start with. */
export async function openPolicy(settings: GatewaySettings, log: Logger): Promise<PolicyInForce> {
  const inForce = new PolicyInForce({
    file: settings.policy,
    folder: settings.data,
    onTrouble: (message) => log.error({ policy: settings.policy }, message),
    onGoodAgain: () =>
      log.info({ policy: settings.policy }, 'the policy file is good again, and the same as what is in force'),
    onSettled: () => log.info({ policy: settings.policy }, 'the policy file has stopped changing and is taken'),
  });
  await inForce.open();
  return inForce;
}
