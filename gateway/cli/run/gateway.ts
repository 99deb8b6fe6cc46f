import { startGateway } from '../../app.ts';
import { GATEWAY_COMMAND_OPTIONS, gatewaySettings } from '../../settings.ts';
import type { Command } from '../command.ts';
import { closeOnSignal, tellParent } from './lifecycle.ts';

/** `sluice gateway`: one gateway in the foreground. */
export const gatewayCommand: Command<typeof GATEWAY_COMMAND_OPTIONS> = {
  usage: 'sluice gateway [options]',
  about:
    'Serves the routing policy: one endpoint for applications, one for people and probes.\nSLUICE_ADMIN_TOKEN, or the file that SLUICE_ADMIN_TOKEN_FILE names, is the bearer token that the admin listener needs beyond\nloopback.',
  options: GATEWAY_COMMAND_OPTIONS,
  async run(values) {
    const gateway = await startGateway(gatewaySettings(values, process.env));
    // What asks daemons to read their configuration again: ours is watched, so there is nothing to do, and no reason to end.
    process.on('SIGHUP', () => {});
    closeOnSignal(gateway.close);
    tellParent({ url: gateway.url, adminUrl: gateway.adminUrl });
  },
};
