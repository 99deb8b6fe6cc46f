import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GATEWAY_OPTIONS } from '../../settings.ts';
import { VERSION } from '../../version.ts';
import type { Command } from '../command.ts';
import { ChildExit } from './child.ts';
import { closeOnSignal } from './lifecycle.ts';
import { LocalSetup, type RunningServer } from './local-setup.ts';
import { MODEL_SERVER_OPTIONS } from './model-server-options.ts';

const OPTIONS = {
  policy: GATEWAY_OPTIONS.policy,
  models: MODEL_SERVER_OPTIONS.models,
  data: GATEWAY_OPTIONS.data,
  port: GATEWAY_OPTIONS.port,
  'admin-port': GATEWAY_OPTIONS['admin-port'],
  samples: {
    kind: 'string',
    default: 'config/data',
    help: 'folder of sample requests, {model}.json, for the curl line',
  },
  'log-level': { ...GATEWAY_OPTIONS['log-level'], default: 'warn' },
} as const;

const FIRST_RESTART_MS = 500;
const LONGEST_RESTART_MS = 30_000;

/** `sluice start`: everything on one machine, in the foreground. */
export const startCommand: Command<typeof OPTIONS> = {
  usage: 'sluice start [options]',
  about:
    'Starts a model server for each loopback server of the policy, then the gateway. Ctrl-C ends all of them.\nA model server that dies is started again; the gateway goes on without it meanwhile. An edit of the policy takes effect by\nitself: at once where the file ends with `end: true` or is renamed into place, else when it has stood still for 1 to 5 s. A\nserver that it adds is started by the next `sluice start`. With REDIS_URL the gateway shares its state, as under `sluice gateway`.',
  options: OPTIONS,
  async run(values) {
    console.log(`Sluice ${VERSION}: starting the model servers and the gateway of ${values.policy} ...`);
    const setup = new LocalSetup({
      policyFile: values.policy,
      models: values.models,
      logLevel: values['log-level'],
      ports: 'policy',
      data: values.data,
      gatewayArgs: ['--port', String(values.port), '--admin-port', String(values['admin-port'])],
    });
    closeOnSignal(
      () => setup.stop(),
      () => setup.abandon(),
    );
    await setup.start().catch(exitLikeChild);
    for (const server of setup.servers) keepRunning(setup, server);
    setup.gateway?.child.exited.then(async (code) => {
      if (!setup.isStopping) console.error(`the gateway ended (${code}); ending the model servers too`);
      await setup.stop();
      process.exit(typeof code === 'number' ? code : 1);
    });
    console.log(announcement(setup, values.samples));
  },
};

/** A child that could not start has said why in its own line; this process only takes over its code. */
function exitLikeChild(error: unknown): never {
  if (error instanceof ChildExit) process.exit(typeof error.code === 'number' ? error.code : 1);
  throw error;
}

async function keepRunning(setup: LocalSetup, { name, child }: RunningServer): Promise<void> {
  await child.exited;
  for (let wait = FIRST_RESTART_MS; !setup.isStopping; wait = Math.min(wait * 2, LONGEST_RESTART_MS)) {
    console.error(`model server ${name} ended; starting it again in ${wait / 1000} s`);
    await sleep(wait);
    const again = await setup.restart(name).catch(() => undefined);
    if (again === undefined) continue;
    console.error(`model server ${name} is ready again`);
    return keepRunning(setup, again);
  }
}

function announcement(setup: LocalSetup, samples: string): string {
  const url = setup.gateway?.url ?? '';
  const rows = [
    ...setup.servers.map((server) => [`model server ${server.name}`, server.url, 'ready']),
    ['gateway', url, 'applications call this'],
    ['admin', setup.gateway?.adminUrl ?? '', '/console/  /api/status  /metrics  /readyz  /livez'],
  ];
  const table = rows
    .map(([what = '', where = '', note]) => `  ${what.padEnd(24)}${where.padEnd(26)}${note}`)
    .join('\n');
  return `\n${table}\n${troubleLine(setup)}${curlLine(setup, samples)}\nCtrl-C ends everything.`;
}

/** The file that was asked for is bad: nobody should believe that it is what they see. */
function troubleLine({ policy }: LocalSetup): string {
  return policy?.mistake === undefined
    ? ''
    : `\nThe policy is bad, and its last good copy is served:\n${policy.mistake}\n`;
}

function curlLine({ gateway, policy }: LocalSetup, samples: string): string {
  for (const model of policy?.policy.models.keys() ?? []) {
    const sample = resolve(join(samples, `${model}.json`));
    if (existsSync(sample))
      return `\nTry it:\n  curl -si ${gateway?.url}/v2/models/${model}/infer -H 'x-user-id: alice' -d @'${sample}'\n`;
  }
  return '';
}
