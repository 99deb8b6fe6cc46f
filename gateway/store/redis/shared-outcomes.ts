import { encode } from '../../statistics/sums.ts';
import type { Damages } from '../damage.ts';
import type { Say } from '../foreign.ts';
import type { OutcomeWindows, VersionCounts, WindowCounts } from '../store.ts';
import type { Client, Connections } from './connections.ts';
import { numberIn, partsIn, readHash } from './foreign-keys.ts';
import type { RedisKeys } from './keys.ts';

const FLUSH_MS = 50;
/** Seconds of models that wait for Redis; beyond, the oldest go: a judge looks at the last minutes. */
const MAX_WAITING = 10_000;
/** Seconds of models written in one exchange. */
const KEYS_AT_ONCE = 200;
/** Seconds that one read adds up. */
const MAX_SECONDS = 3600;

export type SharedOutcomesOptions = {
  readonly connections: Connections;
  readonly keys: RedisKeys;
  readonly replica: string;
  readonly damages: Damages;
  readonly keepMs: number;
};

/**
 * Counts of outcomes by second, of every replica. A replica has fields of its own and writes them whole, so that a write
 * may be repeated; what could not be written is tried again for as long as it matters.
 */
export class SharedOutcomes implements OutcomeWindows {
  readonly #options: SharedOutcomesOptions;
  readonly #waiting = new Map<string, VersionCounts>();
  #timer: NodeJS.Timeout | undefined;
  #isFlushing = false;

  constructor(options: SharedOutcomesOptions) {
    this.#options = options;
  }

  put(model: string, second: number, counts: VersionCounts): void {
    const key = this.#options.keys.window(model, second);
    this.#waiting.delete(key);
    this.#waiting.set(key, counts);
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size > MAX_WAITING && oldest !== undefined) this.#waiting.delete(oldest);
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref();
  }

  /** The shared clock was wrong until now: what waits is of seconds that were not. */
  forget(): void {
    this.#waiting.clear();
  }

  async read(model: string, from: number, to: number): Promise<readonly WindowCounts[]> {
    const { connections, keys, damages } = this.#options;
    const length = Math.max(0, Math.min(to - from, MAX_SECONDS));
    const seconds = Array.from({ length }, (_, i) => to - length + i);
    const hashes = await connections.use('counts_read', (client) =>
      Promise.all(seconds.map((second) => readHash(client, keys.window(model, second), damages))),
    );
    return seconds.flatMap((second, i) => {
      const hash = hashes[i] ?? {};
      if (Object.keys(hash).length === 0) return [];
      const problems: string[] = [];
      const counts = totalOf(hash, (problem) => problems.push(problem));
      damages.saw(keys.window(model, second), problems);
      return [{ second, counts }];
    });
  }

  /** Writes what waits. What fails is tried again with the next. */
  async flush(): Promise<void> {
    this.#timer = undefined;
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    for (let all = [...this.#waiting]; all.length > 0; all = all.slice(KEYS_AT_ONCE))
      if (!(await this.#write(all.slice(0, KEYS_AT_ONCE)))) break;
    this.#isFlushing = false;
  }

  async #write(entries: readonly (readonly [key: string, counts: VersionCounts])[]): Promise<boolean> {
    const { connections, replica, keepMs } = this.#options;
    const write = async (client: Client) => {
      const pipeline = client.pipeline();
      for (const [key, counts] of entries) {
        const fields = fieldsOf(replica, counts);
        if (fields.length > 0) pipeline.hset(key, ...fields).pexpire(key, keepMs);
      }
      for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
    };
    const isWritten = await connections.use('counts_write', write).then(
      () => true,
      () => false, // reported by `use`, and tried again with the next
    );
    if (!isWritten) return false;
    for (const [key, counts] of entries) if (this.#waiting.get(key) === counts) this.#waiting.delete(key);
    return true;
  }
}

function fieldsOf(replica: string, counts: VersionCounts): string[] {
  return Object.entries(counts).flatMap(([version, names]) =>
    Object.entries(names).flatMap(([name, count]) => [`${replica}/${encode(version)}/${encode(name)}`, String(count)]),
  );
}

function totalOf(hash: Readonly<Record<string, string>>, say: Say): VersionCounts {
  const total: Record<string, Record<string, number>> = Object.create(null);
  for (const [field, text] of Object.entries(hash)) {
    const [, version, name] = partsIn(field, 3, say) ?? [];
    const count = numberIn(text, 0, say);
    if (version === undefined || name === undefined || count === undefined) continue;
    const names: Record<string, number> = total[version] ?? Object.create(null);
    total[version] = names;
    names[name] = (names[name] ?? 0) + count;
  }
  return total;
}
