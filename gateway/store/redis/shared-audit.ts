import type { Damages } from '../damage.ts';
import { entryIn, type LocalAudit } from '../files/local-audit.ts';
import type { AuditEntry, AuditTrail } from '../store.ts';
import type { Connections } from './connections.ts';
import type { RedisKeys } from './keys.ts';
import type { Writer } from './writer.ts';

const MAX_PAGE = 1000;

export type SharedAuditOptions = {
  readonly connections: Connections;
  readonly keys: RedisKeys;
  readonly writer: Writer;
  readonly local: LocalAudit;
  readonly damages: Damages;
  readonly keep: number;
};

/** The audit trail of every replica: durable on the disk of the one where it happened, and told to Redis. */
export class SharedAudit implements AuditTrail {
  readonly #options: SharedAuditOptions;

  constructor(options: SharedAuditOptions) {
    this.#options = options;
  }

  async append(entry: AuditEntry): Promise<void> {
    const { writer, keys, local, keep } = this.#options;
    const saved = local.append(entry);
    writer.push(['XADD', keys.audit, 'MAXLEN', '~', String(keep), '*', 'a'], JSON.stringify(entry), 1);
    await saved;
  }

  /** What Redis has, and what this disk has besides: Redis may be away, or have lost its data. */
  async read(limit: number): Promise<readonly AuditEntry[]> {
    const count = Math.min(limit, MAX_PAGE);
    const [shared, local] = await Promise.all([this.#shared(count), this.#options.local.read(count)]);
    return merged(shared, local).slice(0, count);
  }

  async #shared(count: number): Promise<readonly AuditEntry[]> {
    const { connections, keys, damages } = this.#options;
    try {
      const entries = await connections.use('audit_read', (client) =>
        client.xrevrange(keys.audit, '+', '-', 'COUNT', count),
      );
      const problems: string[] = [];
      const read = entries.flatMap(([id, fields]) =>
        entryIn(fields[1] ?? '', (problem) => problems.push(`entry ${id}: ${problem}`)),
      );
      damages.saw(keys.audit, problems);
      return read;
    } catch {
      return []; // reported by `use`
    }
  }
}

/** Each entry once, the newest first. Both lists have that order, and keep it: clocks of other machines may differ. */
function merged(shared: readonly AuditEntry[], local: readonly AuditEntry[]): AuditEntry[] {
  const ids = new Set(shared.map(({ id }) => id));
  const besides = local.filter(({ id }) => !ids.has(id));
  let next = 0;
  const upTo = shared.flatMap((entry) => {
    const first = next;
    while ((besides[next]?.at ?? Number.NEGATIVE_INFINITY) > entry.at) next++;
    return [...besides.slice(first, next), entry];
  });
  return [...upTo, ...besides.slice(next)];
}
