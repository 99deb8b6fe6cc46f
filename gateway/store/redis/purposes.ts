// Everything that Sluice asks of Redis, by what it is for. Health, metrics, log and the list of rights are by these names.
import type { RedisKeys } from './keys.ts';

/** Four connections: a blocking read or a large page never holds up a write. */
export type Role = 'write' | 'control' | 'blocking' | 'hints';

type Spec = {
  readonly on: Role;
  /** Continues `Redis does not let Sluice ...`. */
  readonly does: string;
  /** What the user needs the right to, in the words of an ACL rule. */
  readonly commands: readonly string[];
};

const SPECS = {
  rollouts_read: { on: 'control', does: 'read rollout states', commands: ['hgetall', 'smembers'] },
  rollouts_write: {
    on: 'control',
    does: 'write rollout states',
    commands: ['eval', 'hget', 'hset', 'sadd', 'sismember'],
  },
  rollbacks_write: { on: 'control', does: 'share a rollback', commands: ['sadd'] },
  hints_read: { on: 'hints', does: 'hear at once what other gateways change', commands: ['subscribe'] },
  hints_write: { on: 'control', does: 'notify other gateways at once', commands: ['publish'] },
  counts_read: { on: 'control', does: 'read what other gateways count', commands: ['hgetall'] },
  counts_write: { on: 'write', does: 'share what this gateway counts', commands: ['hset', 'pexpire'] },
  orders_read: { on: 'control', does: 'read orders to shadows', commands: ['hgetall'] },
  orders_write: { on: 'control', does: 'share orders to shadows', commands: ['eval', 'hget', 'hset'] },
  records_write: {
    on: 'write',
    does: 'keep comparisons, experiments and the audit trail',
    commands: [
      ...['eval', 'get', 'set', 'psetex', 'hincrbyfloat', 'pexpire', 'xadd', 'xtrim'],
      ...['zadd', 'zremrangebyrank', 'zremrangebyscore'],
    ],
  },
  comparisons_read: {
    on: 'control',
    does: 'read comparisons',
    commands: ['get', 'hgetall', 'xrange', 'xrevrange', 'zrange'],
  },
  news_read: { on: 'blocking', does: 'wait for comparisons', commands: ['xread'] },
  experiments_read: { on: 'control', does: 'read experiments', commands: ['hgetall', 'zrange'] },
  audit_read: { on: 'control', does: 'read the audit trail', commands: ['xrevrange'] },
  clock_read: { on: 'control', does: 'read the clock that gateways share', commands: ['eval', 'time'] },
  keys_read: { on: 'control', does: 'check that its keys are not those of another application', commands: ['type'] },
  memory_read: { on: 'control', does: 'see whether it may evict what Sluice stores', commands: ['info'] },
  rights: { on: 'control', does: 'do what a rollback may need', commands: [] },
} as const satisfies Record<string, Spec>;

export type Purpose = keyof typeof SPECS;

export const PURPOSES: Readonly<Record<Purpose, Spec>> = SPECS;

/** What clients send for themselves: names of connections, the kind of server, and in a Cluster where the keys are. */
const OF_CLIENTS = ['client|setname', 'cluster|slots', 'cluster|info', 'info', 'readonly', 'select'];

/** Every right that Sluice needs, as the words of one ACL rule: `~` keys, `&` channels, `+` commands. */
export function rightsOf(keys: Pick<RedisKeys, 'all'>, purposes = Object.keys(PURPOSES) as Purpose[]): string {
  const commands = purposes.flatMap((purpose) => PURPOSES[purpose].commands);
  const ofClients = purposes.length === 1 ? [] : OF_CLIENTS;
  const words = [...new Set([...commands, ...ofClients])].sort().map((command) => `+${command}`);
  return [`~${keys.all}`, `&${keys.all}`, ...words].join(' ');
}
