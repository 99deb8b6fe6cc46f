import { type Digit, digitsOf } from '../../../model-server/samples/digits.ts';
import { readHeldOut } from '../../../model-server/samples/held-out.ts';
import { UserError } from '../../errors.ts';
import { GATEWAY_OPTIONS } from '../../settings.ts';
import type { Command } from '../command.ts';
import { progressBar } from '../text/progress.ts';
import { ChildExit } from './child.ts';
import { report } from './demo-report.ts';
import { failingPolicy, showRollback } from './demo-rollback.ts';
import { showTiers } from './demo-tiers.ts';
import { sendTraffic } from './demo-traffic.ts';
import { closeOnSignal } from './lifecycle.ts';
import { LocalSetup } from './local-setup.ts';
import { MODEL_SERVER_OPTIONS } from './model-server-options.ts';

const MODEL = 'digits';

const OPTIONS = {
  story: {
    kind: 'positional',
    default: 'split',
    help: '`split`: how the requests are split; `rollback`: a candidate that fails, and what becomes of it; `tiers`: what a cascade of models saves',
  },
  policy: GATEWAY_OPTIONS.policy,
  models: MODEL_SERVER_OPTIONS.models,
  cascade: { kind: 'string', default: 'config/examples/cascade.yaml', help: 'the policy of the demo `tiers`' },
  data: { kind: 'string', default: 'config/data', help: 'folder of the held-out digits and mails' },
  requests: { kind: 'count', default: 20_000, help: 'how many requests to send' },
  users: { kind: 'count', default: 10_000, help: 'from how many users' },
  concurrency: { kind: 'count', default: 16, help: 'requests in flight at a time' },
} as const;

/** `sluice demo`: the policy in action on real digits, on ports of its own. */
export const demoCommand: Command<typeof OPTIONS> = {
  usage: 'sluice demo [options]',
  about: `Starts the policy's model servers and a gateway on free ports, sends held-out digits to the model "${MODEL}" from many\nusers, and reports each version's share, accuracy, errors and latency.`,
  options: OPTIONS,
  async run(values) {
    const digits = digitsIn(values.data);
    if (!['split', 'rollback', 'tiers'].includes(values.story))
      throw new UserError(`no demo "${values.story}": there are split, rollback and tiers`, 2);
    const isTiers = values.story === 'tiers';
    const policyFile = isTiers ? values.cascade : values.policy;
    const failing = values.story === 'rollback' ? failingPolicy(values.policy, MODEL) : undefined;
    const setup = new LocalSetup({
      policyFile: failing?.file ?? policyFile,
      models: values.models,
      logLevel: 'error',
      ports: 'free',
      gatewayArgs: ['--port', '0', '--admin-port', '0'],
    });
    closeOnSignal(
      () => setup.stop(),
      () => setup.abandon(),
    );
    console.error(`starting the model servers and the gateway of ${policyFile} ...`);
    const started = setup.start().finally(() => failing?.remove());
    await started.catch((error) => {
      throw error instanceof ChildExit ? new UserError(error.message, 1, { cause: error }) : error;
    });
    const { url = '', adminUrl = '' } = setup.gateway ?? {};
    if (failing !== undefined) {
      await showRollback({ url, adminUrl, model: MODEL, digits }).finally(() => setup.stop());
      process.exit(0);
    }
    if (isTiers) {
      const servers = setup.servers.map((server) => server.url);
      await showTiers(
        { url, adminUrl, serverUrls: servers, concurrency: values.concurrency },
        values.data,
        digits,
      ).finally(() => setup.stop());
      process.exit(0);
    }
    const { requests, concurrency } = values;
    const users = Math.min(values.users, requests);
    await showSplit(setup, { url, model: MODEL, digits, requests, users, concurrency });
  },
};

/** Ends the process, but where it is ending already. */
async function showSplit(setup: LocalSetup, traffic: Omit<Parameters<typeof sendTraffic>[0], 'onDone'>): Promise<void> {
  const onDone = progressBar(traffic.requests, 'sending digits');
  const results = await sendTraffic({ ...traffic, onDone }).catch((error) => {
    if (setup.isStopping) return []; // Ctrl-C: the process is about to end
    throw error;
  });
  if (setup.isStopping) return;
  await setup.stop();
  console.log(report(results));
  process.exit(results.some(({ version }) => version === undefined) ? 1 : 0);
}

function digitsIn(folder: string): readonly Digit[] {
  try {
    return digitsOf(readHeldOut(folder));
  } catch (error) {
    throw new UserError(`no held-out digits in ${folder}: ${(error as Error).message}`, 1, { cause: error });
  }
}
