import { userInfo } from 'node:os';
import { UserError } from '../errors.ts';
import { ADMIN_OPTIONS, adminClient } from './admin-client.ts';
import type { Command } from './command.ts';

const OPTIONS = {
  model: { kind: 'positional', help: 'the model' },
  rollout: { kind: 'string', default: '', help: 'which rollout, where the model has several' },
  reason: { kind: 'string', default: '', help: 'why, for the audit trail; always needed' },
  json: { kind: 'flag', help: 'the answer as JSON' },
  ...ADMIN_OPTIONS,
} as const;

/** The order is in effect, but at this gateway only. */
const HERE_ONLY_EXIT = 3;

const ABOUT = {
  promote: 'Goes on to the next step, or gives an approval; after the last step the candidate becomes the baseline.',
  pause:
    'Holds a rollout where it is. Of a suspended candidate all callers stay with the baseline, and no probe follows.',
  resume: 'Lets a held rollout go on. A suspended candidate gets its callers back at once.',
  rollback: 'Ends a rollout for good, and takes its candidate out of service: a new attempt takes a new rollout id.',
} as const;

/** `sluice promote|pause|resume|rollback`: an order to a rollout of a running gateway. */
export function rolloutCommand(action: keyof typeof ABOUT): Command<typeof OPTIONS> {
  return {
    usage: `sluice ${action} --reason TEXT [options]`,
    about: `${ABOUT[action]}\nExits ${HERE_ONLY_EXIT} when it is in effect at this gateway only, because the store that gateways share does not take it.`,
    options: OPTIONS,
    async run({ model, rollout, reason, json, admin }) {
      if (reason === '') throw new UserError('say why with --reason', 2);
      const body = { reason, by: userInfo().username, ...(rollout === '' ? {} : { rollout }) };
      const path = `/api/models/${encodeURIComponent(model)}/rollout/${action}`;
      const answer = (await adminClient(admin, process.env).post(path, body)) as {
        readonly id: string;
        readonly phase: { readonly name: string; readonly step?: number };
        readonly warning?: string;
      };
      const { name, step } = answer.phase;
      const where = step === undefined ? '' : ` in step ${step + 1}`;
      console.log(json ? JSON.stringify(answer) : `rollout ${answer.id} is ${name.replace('_', ' ')}${where}`);
      if (answer.warning === undefined) return;
      console.error(`sluice: ${answer.warning}`);
      process.exitCode = HERE_ONLY_EXIT;
    },
  };
}
