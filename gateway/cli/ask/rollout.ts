import { userInfo } from 'node:os';
import { UserError } from '../../errors.ts';
import type { Command } from '../command.ts';
import { table } from '../text/table.ts';
import { ADMIN_OPTIONS, adminClient } from './admin-client.ts';

const OPTIONS = {
  model: { kind: 'positional', help: 'the model' },
  rollout: { kind: 'string', default: '', without: 'not needed where it has one', help: 'which rollout of the model' },
  reason: { kind: 'string', default: '', isRequired: true, help: 'why, for the audit trail', check: checkReason },
  json: { kind: 'flag', help: 'the answer as JSON' },
  ...ADMIN_OPTIONS,
} as const;

/** The order is in effect, but at this gateway only. */
const HERE_ONLY_EXIT = 3;

/** What takes callers away from a candidate holds without the store; all else needs it. */
const MAY_HOLD_HERE_ONLY: ReadonlySet<string> = new Set(['pause', 'rollback']);

/** Such a rollback is in effect, and yet an error. */
const DISK_REFUSED = ' (also where it is in effect and the disk does not take it)';

function checkReason(text: string, source: string): void {
  if (text.trim() === '') throw new UserError(`${source}: say why, in a few words for the audit trail`, 2);
}

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
    about: `${ABOUT[action]}\n\n${exitsText(action)}`,
    options: OPTIONS,
    async run({ model, rollout, reason, json, admin }) {
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

/** The exit codes of an order. */
function exitsText(action: keyof typeof ABOUT): string {
  const rows: string[][] = [
    ['0', 'it is in effect, and every gateway has it or gets it from the store'],
    ['1', `it is refused, or could not be given; the message says why${action === 'rollback' ? DISK_REFUSED : ''}`],
    ['2', 'the command line or a variable is wrong: nothing was sent'],
  ];
  if (MAY_HOLD_HERE_ONLY.has(action))
    rows.push([
      `${HERE_ONLY_EXIT}`,
      'it is in effect at this gateway only, until the store that gateways share takes it',
    ]);
  rows.push(['70', 'an error of Sluice itself']);
  return `Exit codes:\n${table(rows)}`;
}
